/* What client/examples/send_chunks.c makes of lines "START DATA" (hexadecimal): its frame and its SHA-256, a line each. */
#define main main_of_example
#include "send_chunks.c"
#undef main

int main(void) {
    static char line[4096];
    static unsigned char frame[2048];
    unsigned long long start;
    int at;
    while (fgets(line, sizeof line, stdin) != NULL && sscanf(line, "%llu %n", &start, &at) == 1) {
        struct sha256 sum;
        char hex[65];
        size_t size = 0;
        unsigned byte;
        for (const char *digits = line + at; sscanf(digits, "%2x", &byte) == 1; digits += 2)
            frame[HEADER_BYTES + size++] = (unsigned char)byte;
        sha256_begin(&sum);
        sha256_add(&sum, frame + HEADER_BYTES, size);
        sha256_end(&sum, hex);
        if (size > 0) frame_header(frame, start, frame + HEADER_BYTES, size);
        for (size_t i = 0; i < HEADER_BYTES + size; i++) printf("%02x", frame[i]);
        printf(" %s\n", hex);
    }
    return 0;
}
