/* Send a file to Transfer Service in 17-byte chunks, and go on where it stopped. Sockets and nothing else.
 *
 *   cc -O2 -o send_chunks send_chunks.c
 *   ./send_chunks HOST PORT KEY_FILE FILE [NAME]
 *
 * KEY_FILE holds one line, "Authorization: Bearer tsk_...", as docs/devices.md makes it. NAME is what the file is called
 * there. Stop it, cut the network, kill the server: run it again and it goes on. Exit status: 0 the service has the
 * file and its SHA-256 is that of ours, 1 it has not, 2 wrong usage.
 *
 * It speaks HTTP without TLS, so the key goes over the wire as it is: where others are on that wire, let it speak to a
 * tunnel such as stunnel on the same machine. The frames are those of docs/device-chunks.md.
 */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 17,
    CHUNK_BYTES = 64 * 1024, /* a chunk counts whole or not at all: small where the network is bad */
    ANSWER_BYTES = 32 * 1024,
    TRIES = 12,
    LONGEST_PAUSE = 60,
    LONGEST_WAIT = 3600, /* where the service says how long */
    SILENCE_SECONDS = 90
};

static const char *host, *port;
static char authority[300]; /* of the field Host */
static char authorization[512];
static char name[3 * 1024 + 1]; /* percent-encoded */
static int connection = -1;

/* ---- SHA-256 (FIPS 180-4) ---- */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
};

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t value, int bits) { return value >> bits | value << (32 - bits); }

static void sha256_block(struct sha256 *sum) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) {
        const unsigned char *at = sum->block + 4 * i;
        w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(v, sum->state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t one = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) +
                       K[i] + w[i];
        uint32_t two = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) +
                       ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) sum->state[i] += v[i];
}

static void sha256_begin(struct sha256 *sum) {
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sum->state, first, sizeof first);
    sum->bytes = 0;
}

static void sha256_add(struct sha256 *sum, const unsigned char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        sum->block[sum->bytes++ % 64] = data[i];
        if (sum->bytes % 64 == 0) sha256_block(sum);
    }
}

static void sha256_end(struct sha256 *sum, char hex[65]) {
    uint64_t bits = sum->bytes * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_add(sum, (const unsigned char *)"\x80", 1);
    while (sum->bytes % 64 != 56) sha256_add(sum, (const unsigned char *)"", 1);
    sha256_add(sum, length, 8);
    for (int i = 0; i < 8; i++) sprintf(hex + 8 * i, "%08x", (unsigned)sum->state[i]);
}

/* ---- the frame ---- */

/* Write the header of a chunk whose `size` bytes of data, at least one, belong at `start` of the file. */
static void frame_header(unsigned char *header, uint64_t start, const unsigned char *data, size_t size) {
    uint64_t end = start + size - 1; /* inclusive */
    unsigned char checksum = 0;      /* wraps at 256, as the checksum does */
    for (int i = 0; i < 8; i++) {
        header[i] = (unsigned char)(start >> (56 - 8 * i));
        header[8 + i] = (unsigned char)(end >> (56 - 8 * i));
    }
    for (size_t i = 0; i < size; i++) checksum = (unsigned char)(checksum + data[i]);
    header[16] = checksum;
}

/* ---- HTTP/1.1 ---- */

struct answer {
    int status;
    int retry_after; /* seconds, 0: not said, or a date, which needs a clock */
    int closes;      /* the connection ends with it */
    char body[ANSWER_BYTES];
};

static void hang_up(void) {
    if (connection >= 0) close(connection);
    connection = -1;
}

static int dial(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *each;
    struct timeval silence = {.tv_sec = SILENCE_SECONDS};
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    for (each = found; each != NULL && connection < 0; each = each->ai_next) {
        connection = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (connection < 0) continue;
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
        if (connect(connection, each->ai_addr, each->ai_addrlen) != 0) hang_up();
    }
    freeaddrinfo(found);
    return connection < 0 ? -1 : 0;
}

static int send_all(const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        ssize_t sent = send(connection, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return -1;
        at += sent;
        size -= (size_t)sent;
    }
    return 0;
}

/* Read until `size` bytes are there. */
static int receive_all(char *data, size_t size) {
    while (size > 0) {
        ssize_t came = recv(connection, data, size, 0);
        if (came < 0 && errno == EINTR) continue;
        if (came <= 0) return -1;
        data += came;
        size -= (size_t)came;
    }
    return 0;
}

/* The value of a header field behind its name, NULL: this line is another field. */
static const char *field(const char *line, const char *wanted) {
    size_t size = strlen(wanted);
    return strncasecmp(line, wanted, size) == 0 && line[size] == ':' ? line + size + 1 : NULL;
}

/* One line of the head without its end; byte by byte, so that nothing of the body is taken. */
static int receive_line(char *line, size_t room) {
    size_t length = 0;
    for (;;) {
        char byte;
        if (receive_all(&byte, 1) != 0) return -1;
        if (byte == '\n') break;
        if (byte != '\r' && length + 1 < room) line[length++] = byte;
    }
    line[length] = '\0';
    return 0;
}

static int seconds_of(const char *text) {
    long seconds = strtol(text, NULL, 10); /* a date begins with a letter: 0 */
    return seconds < 0 ? 0 : seconds > LONGEST_WAIT ? LONGEST_WAIT : (int)seconds;
}

static int receive_answer(struct answer *answer) {
    char line[1024];
    const char *value;
    long long length = -1;
    do { /* 1xx: something to know beforehand, and then the answer */
        int minor;
        length = -1;
        answer->retry_after = 0;
        if (receive_line(line, sizeof line) != 0) return -1;
        if (sscanf(line, "HTTP/1.%d %d", &minor, &answer->status) != 2) return -1;
        answer->closes = minor == 0;
        do {
            if (receive_line(line, sizeof line) != 0) return -1;
            if ((value = field(line, "Content-Length")) != NULL) length = atoll(value);
            if ((value = field(line, "Retry-After")) != NULL) answer->retry_after = seconds_of(value);
            if ((value = field(line, "Connection")) != NULL) answer->closes = strstr(value, "close") != NULL;
        } while (line[0] != '\0');
    } while (answer->status / 100 == 1);
    if (length < 0 || length >= ANSWER_BYTES) return -1; /* its JSON answers are never so long */
    answer->body[length] = '\0';
    return receive_all(answer->body, (size_t)length);
}

/* One request over the open connection, or a new one. -1: no whole answer came. */
static int request(const char *head, const unsigned char *body, size_t size, struct answer *answer) {
    int failed = (connection < 0 && dial() != 0) || send_all(head, strlen(head)) != 0 || send_all(body, size) != 0 ||
                 receive_answer(answer) != 0;
    if (failed || answer->closes || answer->status >= 400) hang_up(); /* a refusal may leave a body unread */
    return failed ? -1 : 0;
}

/* Whether the same request may do better later. */
static int may_pass(const struct answer *answer) {
    static const int passing[] = {408, 429, 500, 502, 503, 504, 507};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (answer->status == passing[i]) return 1;
    return strstr(answer->body, "ended early") != NULL;
}

/* Ask until there is an answer; ends the program on what does not get better. Sent twice, a chunk counts once. */
static void ask(const char *head, const unsigned char *body, size_t size, struct answer *answer) {
    for (int attempt = 0; attempt < TRIES; attempt++) {
        int pause = attempt < 6 ? 1 << attempt : LONGEST_PAUSE, was_open = connection >= 0;
        if (request(head, body, size, answer) == 0) {
            if (answer->status == 200) return;
            if (!may_pass(answer)) {
                fprintf(stderr, "%d: %s\n", answer->status, answer->body);
                exit(1);
            }
            if (answer->retry_after > pause) pause = answer->retry_after;
        } else if (was_open) {
            pause = 0; /* it may have been closed while it rested */
        }
        fprintf(stderr, "no success, trying again in %d s\n", pause);
        sleep((unsigned)pause);
    }
    fprintf(stderr, "gave up; run it again to go on\n");
    exit(1);
}

/* ---- the file ---- */

/* The value of a member of a JSON object. Within a string the quote behind a name is escaped, so it is not found there. */
static const char *member(const char *json, const char *key) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *at = strstr(json, wanted);
    if (at == NULL) {
        fprintf(stderr, "not an answer of Transfer Service: %s\n", json);
        exit(1);
    }
    at += strlen(wanted);
    return at + strspn(at, " \r\n\t");
}

static void ask_status(struct answer *answer) {
    char head[sizeof name + sizeof authorization + sizeof authority + 512];
    snprintf(head, sizeof head, "GET /api/files/status/%s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", name, authority,
             authorization);
    ask(head, NULL, 0, answer);
}

static void send_chunk(uint64_t start, unsigned char *frame, size_t size, uint64_t total, struct answer *answer) {
    char head[sizeof name + sizeof authorization + sizeof authority + 512];
    frame_header(frame, start, frame + HEADER_BYTES, size);
    snprintf(head, sizeof head,
             "POST /api/files/upload?filename=%s&total_size=%llu HTTP/1.1\r\nHost: %s\r\n%s\r\n"
             "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
             name, (unsigned long long)total, authority, authorization, HEADER_BYTES + size);
    ask(head, frame, HEADER_BYTES + size, answer);
}

static void encode_name(const char *plain) {
    char *at = name;
    for (; *plain != '\0' && at + 3 < name + sizeof name; plain++) {
        int is_plain = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *plain) != NULL;
        at += sprintf(at, is_plain ? "%c" : "%%%02X", (unsigned char)*plain);
    }
    if (*plain != '\0') {
        fprintf(stderr, "the name is too long\n");
        exit(1);
    }
}

static void read_key(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(authorization, sizeof authorization, file) == NULL) {
        perror(path);
        exit(1);
    }
    fclose(file);
    authorization[strcspn(authorization, "\r\n")] = '\0';
    if (field(authorization, "Authorization") == NULL) {
        fprintf(stderr, "%s: not a line that begins with Authorization:\n", path);
        exit(1);
    }
}

static void digest_of(FILE *file, const char *path, char hex[65]) {
    static unsigned char block[CHUNK_BYTES];
    struct sha256 sum;
    size_t size;
    sha256_begin(&sum);
    rewind(file);
    while ((size = fread(block, 1, sizeof block, file)) > 0) sha256_add(&sum, block, size);
    if (ferror(file)) {
        perror(path);
        exit(1);
    }
    sha256_end(&sum, hex);
}

static void send_file(FILE *file, const char *path, uint64_t total, struct answer *answer) {
    static unsigned char frame[HEADER_BYTES + CHUNK_BYTES];
    ask_status(answer);
    while (strncmp(member(answer->body, "status"), "\"complete\"", 10) != 0) {
        uint64_t start = strtoull(member(answer->body, "next_expected_byte"), NULL, 10);
        if (start >= total) {
            const char *known = member(answer->body, "total_bytes"); /* null, or a number */
            if (strtoull(known, NULL, 10) == total && *member(answer->body, "total_inferred") == 'f') {
                sleep(1); /* all is there, and the service still reads it back */
                ask_status(answer);
                continue;
            }
            start = total > CHUNK_BYTES ? total - CHUNK_BYTES : 0; /* sent again, it tells the length, or is refused */
        }
        size_t size = total - start < CHUNK_BYTES ? (size_t)(total - start) : CHUNK_BYTES;
        if (fseeko(file, (off_t)start, SEEK_SET) != 0 || fread(frame + HEADER_BYTES, 1, size, file) != size) {
            fprintf(stderr, "%s: it cannot be read, or has become shorter\n", path);
            exit(1);
        }
        send_chunk(start, frame, size, total, answer);
    }
}

int main(int count, char **arguments) {
    static struct answer answer;
    if (count < 5 || count > 6) {
        fprintf(stderr, "usage: %s HOST PORT KEY_FILE FILE [NAME]\n", arguments[0]);
        return 2;
    }
    host = arguments[1];
    port = arguments[2];
    snprintf(authority, sizeof authority, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port); /* IPv6 or not */
    read_key(arguments[3]);
    const char *path = arguments[4], *slash = strrchr(path, '/');
    encode_name(count == 6 ? arguments[5] : slash != NULL ? slash + 1 : path);
    FILE *file = fopen(path, "rb");
    off_t total = -1;
    if (file == NULL || fseeko(file, 0, SEEK_END) != 0 || (total = ftello(file)) < 0) {
        perror(path);
        return 1;
    }
    if (total == 0) {
        fprintf(stderr, "%s: an empty file has no chunks, send it whole\n", path);
        return 1;
    }
    char digest[65];
    send_file(file, path, (uint64_t)total, &answer);
    digest_of(file, path, digest);
    hang_up();
    if (strncmp(member(answer.body, "sha256") + 1, digest, 64) != 0) {
        fprintf(stderr, "%s: the service has another file of this name, or this one changed meanwhile\n", path);
        return 1;
    }
    printf("stored, sha256 %s\n", digest);
    return 0;
}
