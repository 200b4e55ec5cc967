#include "util/base64.h"

#include <openssl/evp.h>
#include <string.h>

#define DECODE_MAX 1024

static size_t text_size(size_t len)
{
	return (len + 2) / 3 * 4;
}

void base64_add(struct buf *out, const void *data, size_t len)
{
	/* OpenSSL appends a NUL; a buf always has room for one. */
	unsigned char *room = len > GIB ? NULL : buf_reserve(out, text_size(len));
	if (!room)
		out->overflow = true;
	else
		buf_commit(out, (size_t)EVP_EncodeBlock(room, data, (int)len));
}

/* OpenSSL's decoder accepts blanks and unused bits, so the result is encoded again and compared. */
bool base64_decode(void *out, size_t len, const char *text, size_t text_len)
{
	unsigned char raw[DECODE_MAX + 3], again[(DECODE_MAX + 2) / 3 * 4 + 1];
	if (len == 0 || len > DECODE_MAX || text_len != text_size(len) ||
	    EVP_DecodeBlock(raw, (const unsigned char *)text, (int)text_len) < 0)
		return false;
	EVP_EncodeBlock(again, raw, (int)len);
	if (memcmp(again, text, text_len) != 0)
		return false;
	memcpy(out, raw, len);
	return true;
}

bool base64_decode_all(struct buf *out, const char *text, size_t text_len)
{
	enum { PIECE = 1024 }; /* characters, four for three bytes */
	if (text_len % 4)
		return false;
	for (size_t at = 0; at < text_len; at += PIECE) {
		size_t chars = MIN(text_len - at, (size_t)PIECE), len = chars / 4 * 3;
		if (at + chars == text_len)
			len -= (size_t)(text[text_len - 1] == '=') + (text[text_len - 2] == '=');
		void *room = buf_reserve(out, len);
		if (!room || !base64_decode(room, len, text + at, chars))
			return false;
		buf_commit(out, len);
	}
	return true;
}

bool base64_decode_url(struct buf *out, const char *text, size_t text_len)
{
	enum { PIECE = 1024 }; /* a multiple of four */
	char plain[PIECE];
	if (text_len % 4 == 1)
		return false;
	for (size_t at = 0; at < text_len; at += PIECE) {
		size_t chars = MIN(text_len - at, (size_t)PIECE);
		for (size_t i = 0; i < chars; i++) {
			char c = text[at + i];
			if (c == '+' || c == '/' || c == '=')
				return false;
			plain[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
		}
		while (chars % 4)
			plain[chars++] = '=';
		if (!base64_decode_all(out, plain, chars))
			return false;
	}
	return true;
}
