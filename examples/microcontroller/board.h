/* What the firmware needs of a board. */
#ifndef BOARD_H
#define BOARD_H

/* Memory that keeps its contents over a restart; when power comes on they are anything. */
#define BOARD_KEPT __attribute__((section(".kept")))

void board_print(const char *text);

/* Begin again, as a reset button does. */
_Noreturn void board_restart(void);

/* Stop. 0 says that all went well. */
_Noreturn void board_stop(int status);

#endif
