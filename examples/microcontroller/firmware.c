/* Learns gestures on the board, one example at a time, and goes on learning when the board is
 * turned. What was learned is there after a restart. No operating system and no C library. */
#include <stdalign.h>
#include <stdbool.h>

#include "board.h"
#include "gestures.h"

enum { SAMPLES = 8, AXES = 3, LESSONS = 500, TRIALS = 200, ROUNDS = 3 };
enum { STILL, SHAKE, NOD, CIRCLE, KNOCK, GESTURES };

static alignas(gestures_alignment) unsigned char workspace[gestures_workspace_bytes];
BOARD_KEPT static alignas(gestures_alignment) unsigned char state[gestures_state_bytes];

_Static_assert(sizeof state + sizeof workspace <= 64 * 1024, "more memory than there may be");

/* Printing */

static void print_number(unsigned number) {
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    do *--at = (char)('0' + number % 10);
    while (number /= 10);
    board_print(at);
}

static void print_loss(float loss) {
    unsigned hundredths = (unsigned)(loss * 100 + 0.5f);
    print_number(hundredths / 100);
    board_print(hundredths % 100 < 10 ? ".0" : ".");
    print_number(hundredths % 100);
}

static void must(int status) {
    if (!status) return;
    board_print(gestures_message(status));
    board_print("\n");
    board_stop(1);
}

/* The accelerometer. A real one is read here; this one makes up what somebody's hand does. */

static uint32_t seed = 1;

static float between(float low, float high) {
    seed = seed * 1664525u + 1013904223u;
    return low + (high - low) * (float)(seed >> 8) / 16777216.0f;
}

/* About the sine, of an angle in turns from 0. */
static float wave(float turns) {
    turns -= (float)(int)turns;
    return turns < 0.5f ? 16 * turns * (0.5f - turns) : 16 * (turns - 0.5f) * (turns - 1);
}

static void read_gesture(int gesture, bool turned, float readings[SAMPLES][AXES]) {
    float strength = between(0.6f, 1), begin = between(0, 1), speed = between(0.8f, 1.2f);
    int knock = (int)between(0, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        float angle = begin + speed * (float)i / (float)SAMPLES, moved[AXES] = {0, 0, 0};
        if (gesture == SHAKE || gesture == CIRCLE) moved[0] = strength * wave(angle);
        if (gesture == NOD || gesture == CIRCLE) moved[1] = strength * wave(angle + 0.25f);
        if (gesture == KNOCK && i == knock) moved[2] = strength;
        for (int axis = 0; axis < AXES; axis++)
            readings[i][turned ? (axis + 1) % AXES : axis] = moved[axis] + between(-0.1f, 0.1f);
    }
}

/* Learning */

static int some_gesture(void) {
    return (int)between(0, GESTURES);
}

static float learn(bool turned) {
    float sum = 0;
    for (int lesson = 0; lesson < LESSONS; lesson++) {
        int32_t gesture = some_gesture();
        float readings[SAMPLES][AXES], loss;
        read_gesture(gesture, turned, readings);
        must(gestures_learn(state, workspace, &readings[0][0], &gesture, &loss));
        sum += loss;
    }
    return sum / (float)LESSONS;
}

static void examine(bool turned) {
    unsigned right = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        int gesture = some_gesture();
        float readings[SAMPLES][AXES];
        int64_t answer;
        read_gesture(gesture, turned, readings);
        must(gestures_classify(state, workspace, &readings[0][0], &answer));
        right += answer == gesture;
    }
    board_print("recognises ");
    print_number(100 * right / TRIALS);
    board_print("%\n");
}

static void practise(bool turned) {
    for (int round = 1; round <= ROUNDS; round++) {
        board_print("  after ");
        print_number((unsigned)round * LESSONS);
        board_print(" examples: loss ");
        print_loss(learn(turned));
        board_print(", ");
        examine(turned);
    }
}

int main(void) {
    if (!gestures_check(state)) {
        board_print("restarted: ");
        examine(true);
        return 0;
    }
    must(gestures_init(state));
    board_print("new: ");
    examine(false);
    practise(false);
    board_print("turned: ");
    examine(true);
    practise(true);
    board_restart();
}
