/* Fills a disk from outside (LD_PRELOAD).
 *
 * While the file named by FULL_DISK exists, nothing can be written to regular files below its folder, nor can they
 * grow: every attempt fails with ENOSPC. What is written to sockets, pipes, terminals and other disks goes on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int on_it(int file, const char *flag)
{
    char name[64], path[4096];
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    size_t folder = strrchr(flag, '/') - flag + 1;
    return length > (ssize_t)folder && strncmp(path, flag, folder) == 0;
}

static int full(int file)
{
    static const char *flag;
    int before = errno;
    if (!flag && !(flag = getenv("FULL_DISK")))
        flag = "";
    int yes = *flag == '/' && access(flag, F_OK) == 0 && on_it(file, flag);
    errno = yes ? ENOSPC : before;
    return yes;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *bytes, size_t count)
{
    REAL(write);
    return full(file) ? -1 : real(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *pieces, int count)
{
    REAL(writev);
    return full(file) ? -1 : real(file, pieces, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at)
{
    REAL(pwrite);
    return full(file) ? -1 : real(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at)
{
    REAL(pwrite64);
    return full(file) ? -1 : real(file, bytes, count, at);
}

int ftruncate(int file, off_t size)
{
    REAL(ftruncate);
    return full(file) ? -1 : real(file, size);
}

int ftruncate64(int file, off64_t size)
{
    REAL(ftruncate64);
    return full(file) ? -1 : real(file, size);
}

int posix_fallocate(int file, off_t from, off_t count)
{
    REAL(posix_fallocate);
    return full(file) ? ENOSPC : real(file, from, count);
}

int fallocate(int file, int mode, off_t from, off_t count)
{
    REAL(fallocate);
    return full(file) ? -1 : real(file, mode, from, count);
}
