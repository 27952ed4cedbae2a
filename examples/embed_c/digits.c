/* Learns to read digits from a file of bytes, and says how many of those it has not seen it reads
 * right. C99, and C++ as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

enum { PIXELS = 64, ROW = PIXELS + 1, BATCH = 32, TRAINED = 1437, MOST = 2048, EPOCHS = 30 };

static uint8_t rows[MOST][ROW];
static int order[TRAINED];
static unsigned char memory[digits_state_bytes + digits_workspace_bytes + 2 * digits_alignment];

static void *aligned(void *address) {
    uintptr_t last = digits_alignment - 1;
    return (void *)(((uintptr_t)address + last) & ~last);
}

static int failed(int status) {
    fprintf(stderr, "digits: %s\n", digits_message(status));
    return 1;
}

/* A linear congruential generator: the same order of the digits everywhere. */
static uint32_t draw(uint32_t bound) {
    static uint32_t seed = 1;
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % bound;
}

static void shuffle(void) {
    int i;
    for (i = TRAINED - 1; i > 0; i--) {
        int other = (int)draw((uint32_t)i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

int main(int count, char **arguments) {
    unsigned char *state = (unsigned char *)aligned(memory);
    void *workspace = aligned(state + digits_state_bytes);
    FILE *file = fopen(count > 1 ? arguments[1] : "digits.bin", "rb");
    int found, epoch, i, first, right = 0, status;
    if (!file) {
        fprintf(stderr, "usage: %s digits.bin\n", arguments[0]);
        return 1;
    }
    found = (int)fread(rows, ROW, MOST, file);
    fclose(file);
    if (found <= TRAINED) {
        fprintf(stderr, "%d digits are too few to learn from\n", found);
        return 1;
    }
    if ((status = digits_init(state)) != 0) return failed(status);
    for (i = 0; i < TRAINED; i++) order[i] = i;
    for (epoch = 1; epoch <= EPOCHS; epoch++) {
        float loss, sum = 0;
        int batches = 0;
        shuffle();
        for (first = 0; first + BATCH <= TRAINED; first += BATCH, batches++) {
            uint8_t pixels[BATCH * PIXELS], labels[BATCH];
            for (i = 0; i < BATCH; i++) {
                const uint8_t *row = rows[order[first + i]];
                memcpy(pixels + i * PIXELS, row, PIXELS);
                labels[i] = row[PIXELS];
            }
            if ((status = digits_train(state, workspace, pixels, labels, &loss)) != 0)
                return failed(status);
            sum += loss;
        }
        if (epoch % 10 == 0) printf("epoch %2d   loss %.4f\n", epoch, (double)sum / batches);
    }
    for (i = TRAINED; i < found; i++) {
        int64_t answer;
        if ((status = digits_recognise(state, workspace, rows[i], &answer)) != 0)
            return failed(status);
        right += answer == rows[i][PIXELS];
    }
    printf("reads %.1f%% of %d unseen digits\n", 100.0 * right / (found - TRAINED), found - TRAINED);
    return 0;
}
