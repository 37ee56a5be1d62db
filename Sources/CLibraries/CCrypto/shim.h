#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

/// Keyed hash (HMAC-SHA-256) of `data` into 32 bytes; `mac` is the fetched algorithm "HMAC". 1 on success.
static inline int ccrypto_hmac_sha256(EVP_MAC *mac, const unsigned char *key, size_t key_length, const unsigned char *data,
                                      size_t data_length, unsigned char *result) {
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    if (!context) return 0;
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                     OSSL_PARAM_construct_end()};
    size_t written = 0;
    int succeeded = EVP_MAC_init(context, key, key_length, parameters) == 1 &&
                    EVP_MAC_update(context, data, data_length) == 1 &&
                    EVP_MAC_final(context, result, &written, 32) == 1 && written == 32;
    EVP_MAC_CTX_free(context);
    return succeeded;
}
