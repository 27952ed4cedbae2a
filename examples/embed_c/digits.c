/* digits DIGITS [STATE]: learns to read handwritten digits, and says how many of those it has not
 * learned from it reads right. With STATE it goes on from that file, if there is one, and writes
 * there what it has learned. C99, and C++11 as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

/* The file of digits: for each one its pixels, row by row, from 0 (white) to 16 (black), and what
 * it is, from 0 to 9. All are bytes, so that the file is the same for every processor. */
enum {
    PIXELS = 8 * 8,
    RECORD = PIXELS + 1,
    MOST = 2048,
    TRAINED = 1437, /* the first ones; the others are there to examine what was learned */
    BATCH = 32,     /* what the library was built for: digits.h says so */
    EPOCHS = 30
};

static uint8_t digits[MOST][RECORD];
static int order[TRAINED];
static unsigned char state_memory[digits_state_bytes + digits_alignment];
static unsigned char workspace_memory[digits_workspace_bytes + digits_alignment];

/* Where aligned memory begins in memory with room for it. */
static void *aligned(void *memory) {
    uintptr_t last = digits_alignment - 1;
    return (void *)(((uintptr_t)memory + last) & ~last);
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Every function of the library returns a status. */
static void must(int status) {
    if (status) fail("digits", digits_message(status));
}

static int read_digits(const char *name) {
    FILE *file = fopen(name, "rb");
    size_t count, i;
    if (!file) fail(name, "cannot be read");
    count = fread(digits, RECORD, MOST, file);
    fclose(file);
    if (count <= TRAINED) fail(name, "has too few digits to learn from");
    for (i = 0; i < count; i++)
        if (digits[i][PIXELS] > 9) fail(name, "has a label that is no digit");
    return (int)count;
}

/* Whether a file with a state was there. It must be whole, and that of this model. */
static int read_state(const char *name, void *state) {
    FILE *file = fopen(name, "rb");
    size_t count;
    if (!file) return 0;
    count = fread(state, 1, digits_state_bytes, file);
    if (count < digits_state_bytes || fgetc(file) != EOF) fail(name, "is not a state of this model");
    fclose(file);
    if (digits_check(state)) fail(name, digits_message(digits_check(state)));
    return 1;
}

/* Into a file of another name first: whatever happens meanwhile, one whole state is there. */
static void write_state(const char *name, const void *state) {
    char fresh[FILENAME_MAX];
    FILE *file;
    int written;
    if (snprintf(fresh, sizeof fresh, "%s.new", name) >= (int)sizeof fresh)
        fail(name, "is too long a name");
    file = fopen(fresh, "wb");
    if (!file) fail(fresh, "cannot be written");
    written = fwrite(state, digits_state_bytes, 1, file) == 1;
    if (fclose(file) || !written || rename(fresh, name)) fail(name, "cannot be written");
}

/* A linear congruential generator: the same order everywhere. */
static int draw(int bound) {
    static uint32_t seed = 1;
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 8) % (uint32_t)bound);
}

static void shuffle(void) {
    int i;
    for (i = TRAINED - 1; i > 0; i--) {
        int other = draw(i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

/* Learn from each digit once, in an order of its own; gives the mean loss. */
static double learn(void *state, void *workspace) {
    uint8_t pixels[BATCH * PIXELS], labels[BATCH];
    double sum = 0;
    int first, i, batches = TRAINED / BATCH;
    shuffle();
    for (first = 0; first < batches * BATCH; first += BATCH) {
        float loss;
        for (i = 0; i < BATCH; i++) {
            const uint8_t *digit = digits[order[first + i]];
            memcpy(pixels + i * PIXELS, digit, PIXELS);
            labels[i] = digit[PIXELS];
        }
        must(digits_train(state, workspace, pixels, labels, &loss));
        sum += loss;
    }
    return sum / batches;
}

/* How many of the digits that were not learned from are read right. */
static int examine(void *state, void *workspace, int count) {
    int i, right = 0;
    for (i = TRAINED; i < count; i++) {
        int64_t answer;
        must(digits_recognise(state, workspace, digits[i], &answer));
        right += answer == digits[i][PIXELS];
    }
    return right;
}

int main(int argc, char **argv) {
    void *state = aligned(state_memory), *workspace = aligned(workspace_memory);
    const char *kept = argc > 2 ? argv[2] : NULL;
    int count, unseen, right, epoch, i;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: digits DIGITS [STATE]\n");
        return EXIT_FAILURE;
    }
    count = read_digits(argv[1]);
    if (kept && read_state(kept, state)) {
        printf("going on from %s\n", kept);
    } else {
        must(digits_init(state));
    }
    for (i = 0; i < TRAINED; i++) order[i] = i;
    for (epoch = 1; epoch <= EPOCHS; epoch++) {
        double loss = learn(state, workspace);
        if (epoch % 10 == 0) printf("epoch %2d   loss %.4f\n", epoch, loss);
    }
    unseen = count - TRAINED;
    right = examine(state, workspace, count);
    printf("reads %.1f%% of %d unseen digits\n", 100.0 * right / unseen, unseen);
    if (kept) write_state(kept, state);
    return EXIT_SUCCESS;
}
