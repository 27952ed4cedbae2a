/* What a firmware does with the library: memory of fixed size, a step per example, no operating
 * system and no C library. The board's code calls these functions. */
#include "gestures.h"

#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(64)))
#else
#define ALIGNED
#endif

static unsigned char state[gestures_state_bytes] ALIGNED;
static unsigned char workspace[gestures_workspace_bytes] ALIGNED;

/* Once, at reset. 0, or a status of gestures.h. */
int gestures_start(void) {
    return gestures_init(state);
}

/* After the user has said which gesture the readings were; gives the loss. */
int gestures_correct(const float readings[24], int32_t gesture, float *loss) {
    return gestures_learn(state, workspace, readings, &gesture, loss);
}

/* Which gesture the readings are, or -1. */
int gestures_recognise(const float readings[24]) {
    int64_t gesture;
    int status = gestures_classify(state, workspace, readings, &gesture);
    return status ? -1 : (int)gesture;
}
