/* Loaded before libc into a service: ends it, or makes its ledger fail, at a chosen system call.
 *
 *   POWER_CUT_AT=n     the n-th write or sync of a ledger file is the last thing the process does
 *   POWER_CUT_TORN=1   and only half of that write gets through
 *   POWER_SYNCED=1     after each sync, keep what was synced in FILE.synced: all that a disk owes us
 *   POWER_KEYS=1       syncs and renames of a device's key store count, too
 *   POWER_FULL=FILE    while FILE exists the disk is full; if it begins with 's', syncs fail instead
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls;

static int ledger_file(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 16);
    if (length < 0) return 0;
    path[length] = 0;
    char *name = strrchr(path, '/');
    if (name && getenv("POWER_KEYS") && strstr(name, ".secure")) return 1;
    return name && !strncmp(name, "/ledger.sqlite", 14) && !strstr(name, ".lock") && !strstr(name, "-shm");
}

static int now(void) {
    const char *at = getenv("POWER_CUT_AT");
    return at && atomic_fetch_add(&calls, 1) + 1 == atol(at);
}

static int failing(char what) {
    const char *full = getenv("POWER_FULL");
    if (!full) return 0;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char kind = 'w';
    if (read(fd, &kind, 1) != 1) kind = 'w';
    close(fd);
    return kind == what;
}

static ssize_t real_pwrite(int fd, const void *data, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return real(fd, data, size, at);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t at) {
    char path[PATH_MAX];
    if (ledger_file(fd, path)) {
        if (now()) {
            if (getenv("POWER_CUT_TORN")) real_pwrite(fd, data, size / 2, at);
            kill(getpid(), SIGKILL);
        }
        if (failing('w')) {
            errno = ENOSPC;
            return -1;
        }
    }
    return real_pwrite(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return write_at(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return write_at(fd, data, size, at); }

/* Through the same descriptor: closing another one of the file would drop SQLite's locks. */
static void keep_synced(int fd, const char *path) {
    char kept[PATH_MAX], whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s.synced", path);
    snprintf(kept, sizeof kept, "%s.synced.part", path);
    int copy = open(kept, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (copy < 0) return;
    char block[65536];
    off_t at = 0;
    ssize_t size;
    while ((size = pread(fd, block, sizeof block, at)) > 0) {
        if (write(copy, block, size) != size) break;
        at += size;
    }
    close(copy);
    rename(kept, whole);
}

static int sync_file(int fd, const char *call) {
    char path[PATH_MAX];
    int ours = ledger_file(fd, path);
    if (ours && now()) kill(getpid(), SIGKILL);
    if (ours && failing('s')) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
    int result = real(fd);
    if (ours && !result && getenv("POWER_SYNCED")) keep_synced(fd, path);
    return result;
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    if (getenv("POWER_KEYS") && strstr(from, ".secure") && now()) kill(getpid(), SIGKILL);
    return real(from, to);
}

int fsync(int fd) { return sync_file(fd, "fsync"); }
int fdatasync(int fd) { return sync_file(fd, "fdatasync"); }
