/* AES-256-GCM by OpenSSL: `openssl large|small SECONDS` prints the median CPU seconds of one call: 16 MiB in place,
   or set-up and 100 bytes. In C, because the crate would bring a second TLS library into the lockfile. */

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned char key[32], nonce[12], tag[16], *buffer;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void seal(int length) {
    int done;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!context || EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        EVP_EncryptUpdate(context, buffer, &done, buffer, length) != 1 ||
        EVP_EncryptFinal_ex(context, buffer, &done) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, tag) != 1)
        abort();
    EVP_CIPHER_CTX_free(context);
}

static int compare(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(int length, int calls, double seconds) {
    static double times[100000];
    int count = 0;
    double end = now() + seconds;
    seal(length);
    do {
        double begun = now();
        for (int call = 0; call < calls; call++) seal(length);
        times[count++] = (now() - begun) / calls;
    } while (count < 100000 && now() < end);
    qsort(times, count, sizeof *times, compare);
    return times[count / 2];
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    double seconds = atof(arguments[2]);
    int large = strcmp(arguments[1], "large") == 0;
    buffer = malloc((16 << 20) + 16);
    memset(buffer, 3, (16 << 20) + 16);
    memset(key, 1, sizeof key);
    printf("%g\n", large ? median(16 << 20, 1, seconds) : median(100, 2000, seconds));
    return 0;
}
