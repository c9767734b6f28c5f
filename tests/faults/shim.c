/* Preloaded into a command and its children: counts what they write below one folder, and makes one call go wrong.

   The control block is a file that every process maps. Which call is meant: its operation, a pattern for its path below
   the folder, and how many such calls have gone before. What happens at it: the process is killed, all processes of the
   command are killed, half of a write is made and then the process is killed, or the call fails with an error number.
   Only open for writing, write, rename, fsync, unlink, mkdir and truncate are looked at. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation { OPEN, WRITE, RENAME, FSYNC, UNLINK, MKDIR, TRUNCATE };
static const char *NAMES[] = {"open", "write", "rename", "fsync", "unlink", "mkdir", "truncate"};

enum action { KILL_ONE = 1, KILL_ALL, HALF, FAIL_ONCE, FAIL_ON };
enum mode { OFF, RECORD, ACT };

struct control {
    int mode, action, error, operation;
    int wanted;            /* the call to act on, counted from 1 */
    int matched, fired;    /* calls that matched so far; whether the action was taken */
    int owner;             /* the harness: neither counted nor killed */
    int processes;         /* entries of pids */
    int pids[1024];        /* every process that made a call below the folder */
    char folder[1024], pattern[1024], log[1024];
};

static struct control *control;
static int registered; /* the pid under which this process is in the table: a fork has to register again */

static struct control *block(void) {
    if (control) return control;
    const char *path = getenv("FAULTS_CONTROL");
    if (!path) return NULL;
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0) return NULL;
    if (syscall(SYS_lseek, descriptor, 0, SEEK_END) < (long)sizeof(struct control)) { /* it is being made */
        syscall(SYS_close, descriptor);
        return NULL;
    }
    void *place = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    syscall(SYS_close, descriptor);
    if (place != MAP_FAILED) control = place;
    return control;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) syscall(SYS_pause);
}

static void kill_all(struct control *c) {
    int count = c->processes < 1024 ? c->processes : 1024;
    for (int i = 0; i < count; i++)
        if (c->pids[i] > 1 && c->pids[i] != getpid()) syscall(SYS_kill, c->pids[i], SIGKILL);
    die();
}

/* The path below the folder of a call, NULL where it lies elsewhere. */
static const char *below(struct control *c, int directory, const char *name, char *buffer, size_t size) {
    size_t length = 0;
    if (!name || name[0] != '/') {
        char link[64];
        if (directory == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t got = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, size - 1);
        if (got <= 0) return NULL;
        length = (size_t)got;
        buffer[length] = 0;
    }
    if (name) snprintf(buffer + length, size - length, "%s%s", name[0] == '/' ? "" : "/", name);
    size_t root = strlen(c->folder);
    if (strncmp(buffer, c->folder, root) != 0 || buffer[root] != '/') return NULL;
    return buffer + root + 1;
}

#define HALVED -2

/* 0: go on; HALVED: make half of the write and die; else the error number to fail with. */
static int event(enum operation operation, int directory, const char *name, int takes_space) {
    struct control *c = block();
    if (!c || c->mode == OFF || getpid() == c->owner) return 0;
    char buffer[8192];
    int before = errno;
    const char *path = below(c, directory, name, buffer, sizeof buffer);
    errno = before;
    if (!path) return 0;
    if (registered != getpid()) {
        registered = getpid();
        int index = __sync_fetch_and_add(&c->processes, 1);
        if (index < 1024) c->pids[index] = registered;
    }
    if (c->mode == RECORD) {
        char line[8400];
        int length = snprintf(line, sizeof line, "%s\t%d\t%s\n", NAMES[operation], takes_space, path);
        int log = (int)syscall(SYS_openat, AT_FDCWD, c->log, O_WRONLY | O_APPEND | O_CREAT, 0644);
        if (log >= 0) {
            syscall(SYS_write, log, line, length);
            syscall(SYS_close, log);
        }
        return 0;
    }
    if (c->fired) {
        if (c->action == KILL_ALL) die();
        return c->action == FAIL_ON && takes_space ? c->error : 0;
    }
    if (operation != (enum operation)c->operation || fnmatch(c->pattern, path, 0) != 0) return 0;
    if (__sync_add_and_fetch(&c->matched, 1) != c->wanted) return 0;
    c->fired = 1;
    switch (c->action) {
    case KILL_ONE: die(); break;
    case KILL_ALL: kill_all(c); break;
    case HALF: return HALVED;
    default: return c->error;
    }
    return 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define REFUSE(answer) \
    if (refused) { errno = refused; return answer; }

/* ------------------------------------------------------------ open */

static int opens(int directory, const char *path, int flags) {
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC))) return 0;
    if (!block() || block()->mode == OFF) return 0;
    int before = errno, is_new = (flags & O_CREAT) && syscall(SYS_faccessat, directory, path, F_OK) != 0;
    errno = before;
    return event(OPEN, directory, path, is_new);
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

#define OPEN_LIKE(name) \
    int name(const char *path, int flags, ...) { \
        MODE_OF(flags) \
        REAL(int, #name, const char *, int, mode_t); \
        int refused = opens(AT_FDCWD, path, flags); \
        REFUSE(-1) \
        return real(path, flags, mode); \
    }
OPEN_LIKE(open)
OPEN_LIKE(open64)

#define OPENAT_LIKE(name) \
    int name(int directory, const char *path, int flags, ...) { \
        MODE_OF(flags) \
        REAL(int, #name, int, const char *, int, mode_t); \
        int refused = opens(directory, path, flags); \
        REFUSE(-1) \
        return real(directory, path, flags, mode); \
    }
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

#define FOPEN_LIKE(name) \
    FILE *name(const char *path, const char *how) { \
        REAL(FILE *, #name, const char *, const char *); \
        int flags = how[0] == 'w' ? O_WRONLY | O_CREAT | O_TRUNC : how[0] == 'a' ? O_WRONLY | O_CREAT : \
                    strchr(how, '+') ? O_RDWR : O_RDONLY; \
        int refused = opens(AT_FDCWD, path, flags); \
        REFUSE(NULL) \
        return real(path, how); \
    }
FOPEN_LIKE(fopen)
FOPEN_LIKE(fopen64)

/* ------------------------------------------------------------ write */

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int refused = event(WRITE, descriptor, NULL, 1);
    if (refused == HALVED) {
        real(descriptor, data, size / 2);
        die();
    }
    REFUSE(-1)
    return real(descriptor, data, size);
}

#define PWRITE_LIKE(name, offset_type) \
    ssize_t name(int descriptor, const void *data, size_t size, offset_type offset) { \
        REAL(ssize_t, #name, int, const void *, size_t, offset_type); \
        int refused = event(WRITE, descriptor, NULL, 1); \
        if (refused == HALVED) { \
            real(descriptor, data, size / 2, offset); \
            die(); \
        } \
        REFUSE(-1) \
        return real(descriptor, data, size, offset); \
    }
PWRITE_LIKE(pwrite, off_t)
PWRITE_LIKE(pwrite64, off64_t)

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    int refused = event(WRITE, descriptor, NULL, 1);
    if (refused == HALVED) {
        size_t half = total(parts, count) / 2;
        for (int i = 0; i < count && half; i++) {
            size_t length = parts[i].iov_len < half ? parts[i].iov_len : half;
            syscall(SYS_write, descriptor, parts[i].iov_base, length);
            half -= length;
        }
        die();
    }
    REFUSE(-1)
    return real(descriptor, parts, count);
}

#define SENDFILE_LIKE(name, offset_type) \
    ssize_t name(int to, int from, offset_type *offset, size_t size) { \
        REAL(ssize_t, #name, int, int, offset_type *, size_t); \
        int refused = event(WRITE, to, NULL, 1); \
        if (refused == HALVED) { \
            real(to, from, offset, size / 2); \
            die(); \
        } \
        REFUSE(-1) \
        return real(to, from, offset, size); \
    }
SENDFILE_LIKE(sendfile, off_t)
SENDFILE_LIKE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *in, int to, off64_t *out, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    int refused = event(WRITE, to, NULL, 1);
    if (refused == HALVED) {
        real(from, in, to, out, size / 2, flags);
        die();
    }
    REFUSE(-1)
    return real(from, in, to, out, size, flags);
}

/* ------------------------------------------------------------ names and disk: a half of these is none */

#define KILLED_IF_HALVED \
    if (refused == HALVED) die();

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    int refused = event(RENAME, AT_FDCWD, to, 0);
    KILLED_IF_HALVED
    REFUSE(-1)
    return real(from, to);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    int refused = event(RENAME, to_directory, to, 0);
    KILLED_IF_HALVED
    REFUSE(-1)
    return real(from_directory, from, to_directory, to);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    int refused = event(RENAME, to_directory, to, 0);
    KILLED_IF_HALVED
    REFUSE(-1)
    return real(from_directory, from, to_directory, to, flags);
}

#define ON_DESCRIPTOR(name, operation) \
    int name(int descriptor) { \
        REAL(int, #name, int); \
        int refused = event(operation, descriptor, NULL, 0); \
        KILLED_IF_HALVED \
        REFUSE(-1) \
        return real(descriptor); \
    }
ON_DESCRIPTOR(fsync, FSYNC)
ON_DESCRIPTOR(fdatasync, FSYNC)

#define ON_PATH(name, operation) \
    int name(const char *path) { \
        REAL(int, #name, const char *); \
        int refused = event(operation, AT_FDCWD, path, 0); \
        KILLED_IF_HALVED \
        REFUSE(-1) \
        return real(path); \
    }
ON_PATH(unlink, UNLINK)
ON_PATH(rmdir, UNLINK)

int unlinkat(int directory, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    int refused = event(UNLINK, directory, path, 0);
    KILLED_IF_HALVED
    REFUSE(-1)
    return real(directory, path, flags);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    int refused = event(MKDIR, AT_FDCWD, path, 1);
    KILLED_IF_HALVED
    REFUSE(-1)
    return real(path, mode);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    int refused = event(MKDIR, directory, path, 1);
    KILLED_IF_HALVED
    REFUSE(-1)
    return real(directory, path, mode);
}

#define TRUNCATE_LIKE(name, offset_type) \
    int name(int descriptor, offset_type length) { \
        REAL(int, #name, int, offset_type); \
        int refused = event(TRUNCATE, descriptor, NULL, 0); \
        KILLED_IF_HALVED \
        REFUSE(-1) \
        return real(descriptor, length); \
    }
TRUNCATE_LIKE(ftruncate, off_t)
TRUNCATE_LIKE(ftruncate64, off64_t)
