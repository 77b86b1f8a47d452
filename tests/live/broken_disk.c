/* Makes system calls on stored bytes fail with EIO, as a dying disk does: for LD_PRELOAD. The file $BROKEN_CALLS holds
 * the names of the calls that fail just now; without it everything works. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_broken(const char *call) {
    char text[256], *name, *rest = text;
    const char *file = getenv("BROKEN_CALLS");
    int descriptor = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (descriptor < 0) return 0;
    long size = syscall(SYS_read, descriptor, text, sizeof text - 1);
    syscall(SYS_close, descriptor);
    text[size > 0 ? size : 0] = 0;
    while ((name = strtok_r(rest, " \n", &rest)))
        if (!strcmp(name, call)) return 1;
    return 0;
}

static int is_stored(const char *path) {
    if (!path) return 0;
    size_t size = strlen(path);
    return strstr(path, "/blobs/") || strstr(path, "/uploads/chats/") || (size > 6 && !strcmp(path + size - 6, "/blobs"));
}

static int leads_to_store(int descriptor) {
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = 0;
    return is_stored(path);
}

#define FAILS(call, descriptor) \
    if (is_broken(#call) && leads_to_store(descriptor)) return errno = EIO, -1
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags) {
    FAILS(pwrite, fd);
    return REAL("pwritev2", ssize_t (*)(int, const struct iovec *, int, off_t, int))(fd, v, n, at, flags);
}
ssize_t pwritev64v2(int fd, const struct iovec *v, int n, off_t at, int flags) { return pwritev2(fd, v, n, at, flags); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) {
    FAILS(pwrite, fd);
    return REAL("pwritev", ssize_t (*)(int, const struct iovec *, int, off_t))(fd, v, n, at);
}
ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at) { return pwritev(fd, v, n, at); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    FAILS(pwrite, fd);
    return REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t))(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return pwrite(fd, data, size, at); }
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    FAILS(pread, fd);
    return REAL("pread", ssize_t (*)(int, void *, size_t, off_t))(fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off_t at) { return pread(fd, data, size, at); }
static int leads_to_log(int descriptor) {
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    return size > 4 && size < (ssize_t)sizeof path && !strncmp(path + size - 4, "-wal", 4);
}
int fsync(int fd) {
    FAILS(fsync, fd);
    return REAL("fsync", int (*)(int))(fd);
}
int fdatasync(int fd) {
    if (is_broken("flush_log") && leads_to_log(fd)) return errno = EIO, -1;
    return REAL("fdatasync", int (*)(int))(fd);
}
int ftruncate(int fd, off_t size) {
    FAILS(ftruncate, fd);
    return REAL("ftruncate", int (*)(int, off_t))(fd, size);
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

static int opens_store(int folder, const char *path) {
    return is_stored(path) || (folder != AT_FDCWD && leads_to_store(folder));
}
int openat(int folder, const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    if (is_broken("open") && opens_store(folder, path)) return errno = EIO, -1;
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    return openat(folder, path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    return openat(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    return openat(AT_FDCWD, path, flags, mode);
}
