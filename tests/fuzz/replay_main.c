/*
 * replay_main.c - runs a fuzz target over the files of the folders given, without libFuzzer, so
 * that every compiler and every test run replays the seeds and the inputs that once failed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *data;
    size_t got;

    if (file == NULL || fstat(fileno(file), &st) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISREG(st.st_mode)) {
        (void) fclose(file);
        return 0;
    }
    data = malloc((size_t) st.st_size + 1);
    got = data != NULL ? fread(data, 1, (size_t) st.st_size, file) : 0;
    (void) fclose(file);
    (void) LLVMFuzzerTestOneInput(data, got);
    free(data);
    return 1;
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    char path[4096];
    int n = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        (void) snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        n += replay_file(path);
    }
    (void) closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++)
        n += replay_folder(argv[i]);
    printf("%d inputs replayed\n", n);
    return n > 0 ? 0 : 1;
}
