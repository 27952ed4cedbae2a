/* Calls every entry of a library, with each array beside memory that may not be touched.
 *
 *     calls INPUTS OUTPUTS
 *
 * INPUTS has the inputs of all entries, one behind the other. OUTPUTS gets the status, the outputs
 * and the state of each call: first of all entries with arrays that end where a page does, then
 * with arrays that begin there. `table.h`, which is made for the library, has the entries.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "table.h"

#define PAGE ((size_t)4096)
#define UNWRITTEN 0xa5

typedef struct {
    unsigned char *base, *place;
    size_t room;
} Guarded;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static Guarded guarded(size_t size, int at_end) {
    size_t inner = (size + PAGE - 1) / PAGE * PAGE;
    Guarded made = {NULL, NULL, inner + 2 * PAGE};
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    made.base = mmap(NULL, made.room, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (made.base == MAP_FAILED) fail("mmap");
    if (mprotect(made.base, PAGE, PROT_NONE)) fail("mprotect");
    if (mprotect(made.base + PAGE + inner, PAGE, PROT_NONE)) fail("mprotect");
    made.place = made.base + PAGE + (at_end ? inner - size : 0);
    return made;
}

static void put(FILE *file, const void *bytes, size_t size) {
    if (size && fwrite(bytes, size, 1, file) != 1) fail("write");
}

static void call(const Entry *entry, int at_end, FILE *inputs, FILE *outputs) {
    int count = entry->inputs + entry->outputs, i, status;
    Guarded state = guarded(library_state_bytes, at_end);
    Guarded workspace = guarded(entry->workspace_bytes, at_end);
    Guarded arrays[MOST_ARRAYS];
    void *places[MOST_ARRAYS];
    status = library_init(state.place);
    memset(workspace.place, UNWRITTEN, entry->workspace_bytes);
    for (i = 0; i < count; i++) {
        size_t size = entry->bytes[i];
        arrays[i] = guarded(size, at_end);
        places[i] = arrays[i].place;
        memset(places[i], UNWRITTEN, size);
        if (i < entry->inputs && size && fread(places[i], size, 1, inputs) != 1) fail("read");
    }
    if (!status) status = entry->call(state.place, workspace.place, places);
    put(outputs, &status, sizeof status);
    for (i = entry->inputs; i < count; i++) put(outputs, places[i], entry->bytes[i]);
    put(outputs, state.place, library_state_bytes);
    for (i = 0; i < count; i++) munmap(arrays[i].base, arrays[i].room);
    munmap(state.base, state.room);
    munmap(workspace.base, workspace.room);
}

int main(int count, char **names) {
    FILE *inputs = fopen(names[count - 2], "rb"), *outputs = fopen(names[count - 1], "wb");
    int at_end;
    size_t i;
    if (!inputs || !outputs) fail("open");
    for (at_end = 1; at_end >= 0; at_end--) {
        rewind(inputs);
        for (i = 0; i < sizeof entries / sizeof *entries; i++) {
            fprintf(stderr, "%s, arrays at the %s of a page\n", entries[i].name,
                    at_end ? "end" : "beginning");
            call(&entries[i], at_end, inputs, outputs);
        }
    }
    if (fclose(outputs)) fail("close");
    return 0;
}
