#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/pem.h>
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

/// Signs `data` with the RSA key in the PEM text (RSASSA-PKCS1-v1_5, SHA-256). `result` has room for `*result_length` bytes, and
/// the length goes there. 1 on success; 0 when the text is no private RSA key, or the room is too small.
static inline int ccrypto_sign_rs256(const char *pem, int pem_length, const unsigned char *data, size_t data_length,
                                     unsigned char *result, size_t *result_length) {
    BIO *text = BIO_new_mem_buf(pem, pem_length);
    if (!text) return 0;
    char no_password[] = "";  // Without one OpenSSL would ask for it on the terminal.
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, NULL, no_password);
    BIO_free(text);
    EVP_MD_CTX *context = key && EVP_PKEY_is_a(key, "RSA") ? EVP_MD_CTX_new() : NULL;
    int succeeded = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                    EVP_DigestSign(context, result, result_length, data, data_length) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return succeeded;
}
