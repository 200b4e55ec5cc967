#include "hash/md5.h"

#include "util/text.h"

#include <openssl/evp.h>
#include <stdlib.h>

void md5_of(const void *data, size_t len, char out[MD5_HEX])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	if (!EVP_Digest(data, len, sum, &size, EVP_md5(), NULL) || size != 16)
		abort(); /* a broken installation of OpenSSL */
	hex_encode(out, sum, size);
}
