/* From power on to main, for any Cortex-M: the vector table, the floating-point unit, memory as C
 * expects it, and text through the debugger (semihosting), which QEMU prints. */
#include "board.h"

#include <stdint.h>

/* From firmware.ld. */
extern uint32_t stack_top[], bss_begin[], bss_end[], data_begin[], data_end[], data_stored[];

int main(void);
void board_start(void);

enum { OPERATION_WRITE = 0x04, OPERATION_EXIT = 0x18, EXIT_SUCCESS = 0x20026, EXIT_ERROR = 0x20023 };

static void ask_debugger(uint32_t operation, uintptr_t argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_print(const char *text) {
    ask_debugger(OPERATION_WRITE, (uintptr_t)text);
}

_Noreturn void board_stop(int status) {
    ask_debugger(OPERATION_EXIT, status ? EXIT_ERROR : EXIT_SUCCESS);
    for (;;) {}
}

_Noreturn void board_restart(void) {
    volatile uint32_t *reset_control = (volatile uint32_t *)0xe000ed0c;
    __asm__ volatile("dsb" ::: "memory");
    *reset_control = 0x05fa0004;
    for (;;) {}
}

void board_start(void) {
#ifdef __ARM_FP
    volatile uint32_t *coprocessors = (volatile uint32_t *)0xe000ed88;
    *coprocessors |= 0xf << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    uint32_t *to = data_begin;
    for (const uint32_t *from = data_stored; to < data_end;) *to++ = *from++;
    for (to = bss_begin; to < bss_end;) *to++ = 0;
    board_stop(main());
}

static void fault(void) {
    board_print("fault\n");
    board_stop(1);
}

typedef struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors;

__attribute__((section(".vectors"), used)) static const vectors table = {
    stack_top,
    {board_start, fault, fault, fault, fault, fault},
};
