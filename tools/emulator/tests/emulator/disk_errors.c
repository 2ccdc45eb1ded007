/* Loaded before libc. A file in $CAAS_TEST_FAULTS, named after a call, holds a part of a path: the call
   fails with EIO for paths that contain it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fails(const char *call, const char *path) {
    const char *folder = getenv("CAAS_TEST_FAULTS");
    char file[4096], part[256] = "";
    FILE *fault;
    if (!folder)
        return 0;
    snprintf(file, sizeof file, "%s/%s", folder, call);
    fault = fopen(file, "r");
    if (!fault)
        return 0;
    if (!fgets(part, sizeof part, fault))
        part[0] = 0;
    fclose(fault);
    errno = EIO;
    return part[0] && strstr(path, part);
}

/* Only of folders: a file is on the disk, its name is not. */
int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    char link[64], path[4096];
    struct stat status;
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && fails("fsync", path))
        return -1;
    return real(fd);
}

/* Not of files in progress. */
int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    const char *extension = strrchr(path, '.');
    if (extension && strcmp(extension, ".tmp") != 0 && fails("unlink", path))
        return -1;
    return real(path);
}
