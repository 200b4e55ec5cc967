#include "catalog/sums_line.h"

#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define HEX_LEN (DIGEST_HEX - 1)
#define BLANKS " \t"

static void set_kind(struct sums_line *l, enum sums_line_kind kind)
{
	l->kind = kind;
}

static void is_wrong(struct sums_line *l, const char *why)
{
	l->kind = SUMS_LINE_WRONG;
	l->why = why;
}

static void is_entry(struct sums_line *l, char *name)
{
	l->kind = SUMS_LINE_ENTRY;
	l->name = name;
}

static void is_other(struct sums_line *l, const char *algorithm)
{
	l->kind = SUMS_LINE_OTHER;
	snprintf(l->algorithm, sizeof l->algorithm, "%s", algorithm);
}

/* ---- words ---- */

static size_t hex_run(const char *s)
{
	return strspn(s, "0123456789abcdefABCDEF");
}

static char *skip_blanks(char *s)
{
	return s + strspn(s, BLANKS);
}

static void trim_end(char *s)
{
	for (char *end = s + strlen(s); end > s && strchr(BLANKS, end[-1]); end--)
		end[-1] = '\0';
}

/* Exactly 64 digits, up to `len`. */
static bool digest_at(const char *s, size_t len, struct digest *out)
{
	char hex[DIGEST_HEX];
	if (len != HEX_LEN || hex_run(s) < HEX_LEN)
		return false;
	memcpy(hex, s, HEX_LEN);
	hex[HEX_LEN] = '\0';
	return digest_parse(out, hex);
}

static bool is_sha256(const char *algorithm)
{
	static const char *const names[] = { "SHA256", "SHA2-256", "SHA-256", "SHA-2-256" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(algorithm, names[i]))
			return true;
	return false;
}

/* Of another digest; anything else in its place may be a file name. */
static bool is_other_algorithm(const char *name)
{
	static const char *const families[] = {
		"MD2",  "MD4",      "MD5",    "SHA",      "RIPEMD",       "RMD",   "BLAKE",
		"B2",   "B3",       "SM3",    "CRC",      "HMAC",         "TIGER", "WHIRLPOOL",
		"GOST", "STREEBOG", "KECCAK", "SKEIN",    "SHAKE",        "XXH",   "TTH",
		"ED2K", "AICH",     "BTIH",   "KANGAROO", "MACTripleDES",
	};
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const char *rest = name + strlen(families[i]);
		if (str_starts_nocase(name, families[i]))
			return strchr("-/0123456789", *rest) && !is_sha256(name) &&
			       !strchr(rest, '.');
	}
	return false;
}

/* By the number of digits of a digest without a tag; NULL: no algorithm that lists have. */
static const char *algorithm_of(size_t digits)
{
	static const struct {
		size_t digits;
		const char *name;
	} known[] = {
		{ 8, "CRC-32" },   { 32, "MD5" },     { 40, "SHA-1" },
		{ 56, "SHA-224" }, { 96, "SHA-384" }, { 128, "SHA-512" },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].digits == digits)
			return known[i].name;
	return NULL;
}

/* The first word, if it looks like the name of an algorithm ("SHA2-256", "BLAKE2b-256",
 * "SHA512/256"); its length, or 0. */
static size_t algorithm_at(const char *s, char out[SUMS_ALGORITHM_MAX + 1])
{
	size_t len = 0;
	while (isalnum((unsigned char)s[len]) || (s[len] && strchr("-_/.", s[len])))
		len++;
	if (len < 2 || len > SUMS_ALGORITHM_MAX || !isalpha((unsigned char)s[0]))
		return 0;
	memcpy(out, s, len);
	out[len] = '\0';
	return len;
}

/* ---- escapes ---- */

/* A line that begins with a backslash has \\ \n \r in its name. */
static bool unescape(char *s)
{
	char *to = s;
	for (; *s; s++) {
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		s++;
		if (*s != 'n' && *s != 'r' && *s != '\\')
			return false;
		*to++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : '\\';
	}
	*to = '\0';
	return true;
}

/* ---- forms ---- */

/* The ")" of the last ") =" behind `open`, or NULL; *value is what follows it. */
static char *find_close(char *open, char **value)
{
	for (char *equals = open + strlen(open); equals > open; equals--) {
		char *close = equals;
		if (*equals != '=')
			continue;
		while (strchr(BLANKS, close[-1]))
			close--;
		*value = skip_blanks(equals + 1);
		if (*--close == ')')
			return close;
	}
	return NULL;
}

/* "ALGORITHM (NAME) = HEX", also without the blanks. A name may contain ") = ". */
static bool read_tag(char *s, struct sums_line *out)
{
	char algorithm[SUMS_ALGORITHM_MAX + 1], *value = s;
	size_t len = algorithm_at(s, algorithm);
	char *open = skip_blanks(s + len);
	char *close = len && *open == '(' ? find_close(open, &value) : NULL;
	if (!close)
		return false;
	trim_end(value);
	if (is_other_algorithm(algorithm)) {
		if (strlen(value) < 8 || strpbrk(value, BLANKS))
			return false;
		is_other(out, algorithm);
		return true;
	}
	if (!is_sha256(algorithm))
		return false;
	*close = '\0';
	if (close == open + 1 || !digest_at(value, strlen(value), &out->sha256))
		is_wrong(out, "it is not 'SHA256 (<file name>) = <64 hex digits>'");
	else
		is_entry(out, open + 1);
	return true;
}

/* "HEX  NAME", "HEX *NAME", "HEX NAME", "sha256:HEX  NAME". */
static bool read_plain(char *s, struct sums_line *out)
{
	char *hex = s + (str_starts_nocase(s, "sha256:") ? strlen("sha256:") : 0);
	size_t len = strcspn(hex, BLANKS);
	char *name = hex + len;
	if (!digest_at(hex, len, &out->sha256))
		return false;
	if (name[strspn(name, BLANKS)] == '\0') {
		set_kind(out, SUMS_LINE_DIGEST);
		return true;
	}
	name++;
	if ((*name == ' ' || *name == '*') && name[1])
		name++;
	is_entry(out, name);
	return true;
}

/* As certutil of Windows 7 writes digests: "9f 86 d0 …". */
static bool read_pairs(char *s, struct sums_line *out)
{
	char hex[DIGEST_HEX] = "";
	size_t n = 0;
	trim_end(s);
	for (; hex_run(s) == 2 && n < HEX_LEN && (s[2] == ' ' || !s[2]); s += s[2] ? 3 : 2) {
		hex[n++] = s[0];
		hex[n++] = s[1];
	}
	if (n != HEX_LEN || *s || !digest_at(hex, n, &out->sha256))
		return false;
	set_kind(out, SUMS_LINE_DIGEST);
	return true;
}

static bool is_cut_off(const char *s)
{
	return str_ends(s, "...") || str_ends(s, "\xe2\x80\xa6");
}

static void read_path(char *path, struct sums_line *out)
{
	trim_end(path);
	out->tool = true;
	if (is_cut_off(path))
		is_wrong(out, "its path is cut off");
	else
		is_entry(out, path);
}

/* A row of PowerShell's Get-FileHash: "SHA256   HEX   PATH". */
static bool read_row(char *s, struct sums_line *out)
{
	char algorithm[SUMS_ALGORITHM_MAX + 1];
	size_t len = algorithm_at(s, algorithm);
	char *hex = skip_blanks(s + len);
	size_t digits = hex_run(hex);
	bool other = len && is_other_algorithm(algorithm);
	if (!len || hex == s + len || digits < 16 || (!other && !is_sha256(algorithm)))
		return false;
	char *path = skip_blanks(hex + digits);
	if (other)
		is_other(out, algorithm);
	else if (!digest_at(hex, strcspn(hex, BLANKS), &out->sha256))
		is_wrong(out, "its digest is cut off or does not have 64 hex digits");
	else if (!*path)
		is_wrong(out, "it has no file name");
	else
		read_path(path, out);
	return true;
}

/* The same by Export-Csv: "SHA256","HEX","PATH". */
static bool read_csv(char *s, struct sums_line *out)
{
	static const char separator[] = "\",\"";
	size_t len = strlen(s);
	char *algorithm = s + 1, *hex = *s == '"' ? strstr(s, separator) : NULL;
	char *path = hex ? strstr(hex + 1, separator) : NULL;
	if (!path || s[len - 1] != '"' || path + strlen(separator) >= s + len)
		return false;
	bool header = str_starts(s, "\"Algorithm\",\"Hash\"");
	size_t digits = hex_run(hex + strlen(separator));
	if (!header && (digits < 32 || hex + strlen(separator) + digits != path))
		return false;
	s[len - 1] = *hex = *path = '\0';
	hex += strlen(separator);
	if (header)
		set_kind(out, SUMS_LINE_EMPTY);
	else if (is_other_algorithm(algorithm))
		is_other(out, algorithm);
	else if (!is_sha256(algorithm))
		is_wrong(out, "it does not say that its digest is a SHA-256");
	else if (!digest_at(hex, digits, &out->sha256))
		is_wrong(out, "its digest does not have 64 hex digits");
	else
		read_path(path + strlen(separator), out);
	return true;
}

/* The same by Format-List: "Algorithm : SHA256", "Hash : HEX", "Path : PATH". */
static bool read_field(char *s, struct sums_line *out)
{
	size_t len = strcspn(s, " \t:");
	char *value = skip_blanks(s + len);
	if (*value != ':')
		return false;
	value = skip_blanks(value + 1);
	if (len == 9 && str_starts_nocase(s, "Algorithm")) {
		set_kind(out, SUMS_LINE_EMPTY);
	} else if (len == 4 && str_starts_nocase(s, "Path") && *value) {
		read_path(value, out);
		if (out->kind == SUMS_LINE_ENTRY)
			set_kind(out, SUMS_LINE_PATH);
	} else if (len == 4 && str_starts_nocase(s, "Hash")) {
		size_t digits = hex_run(value);
		trim_end(value);
		if (digest_at(value, strlen(value), &out->sha256))
			set_kind(out, SUMS_LINE_HASH);
		else if (!value[digits] && algorithm_of(digits))
			is_other(out, algorithm_of(digits));
		else
			return false;
	} else {
		return false;
	}
	return true;
}

/* certutil's "SHA256 hash of FILE:", or "… of file FILE:". */
static bool read_heading(char *s, struct sums_line *out)
{
	static const char of[] = " hash of ", file[] = "file ";
	char algorithm[SUMS_ALGORITHM_MAX + 1];
	size_t len = algorithm_at(s, algorithm);
	char *name = s + len + strlen(of);
	if (!len || !str_starts(s + len, of))
		return false;
	trim_end(name);
	len = strlen(name);
	if (len < 2 || name[len - 1] != ':')
		return false;
	if (is_other_algorithm(algorithm)) {
		set_kind(out, SUMS_LINE_EMPTY);
		return true;
	}
	if (!is_sha256(algorithm))
		return false;
	name[len - 1] = '\0';
	out->tool = true;
	out->name = name + (str_starts(name, file) ? strlen(file) : 0);
	set_kind(out, SUMS_LINE_HEADING);
	return true;
}

/* A digest by another algorithm without a tag: "HEX  NAME", or "NAME HEX" as in .sfv files. */
static bool read_other(char *s, struct sums_line *out)
{
	size_t digits = hex_run(s);
	const char *algorithm = algorithm_of(digits);
	if (!algorithm || (s[digits] && !strchr(BLANKS, s[digits])))
		return false;
	if (digits == 8 && !s[digits + strspn(s + digits, BLANKS)])
		return false;
	is_other(out, algorithm);
	return true;
}

/* ---- what is none of these ---- */

static bool says_nothing(const char *s)
{
	static const char *const openings[] = { "#", ";", "//", "CertUtil:" };
	char word[16];
	for (size_t i = 0; i < ARRAY_LEN(openings); i++)
		if (str_starts(s, openings[i]))
			return true;
	if (s[strspn(s, "-=*_~" BLANKS)] == '\0')
		return true;
	return sscanf(s, "Algorithm %15s", word) == 1 && str_eq_nocase(word, "Hash");
}

static bool is_alnum(char c)
{
	return isalnum((unsigned char)c) != 0;
}

/* Does it have a word that was meant to be a SHA-256? */
static bool has_digest(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t word = 0, hex = 0;
		for (; i < len && is_alnum(s[i]); i++, word++)
			hex += isxdigit((unsigned char)s[i]) != 0;
		if (word == HEX_LEN && hex == HEX_LEN)
			return true;
	}
	return false;
}

/* Is the first word a digest with too few or too many digits, or another letter in it? */
static bool begins_like_digest(const char *s)
{
	size_t word = 0, odd = 0;
	for (; isalnum((unsigned char)s[word]); word++)
		odd += !isxdigit((unsigned char)s[word]);
	return word > HEX_LEN - 8 && word < HEX_LEN + 8 && odd < 4 && s[word] &&
	       strchr(BLANKS, s[word]);
}

static void read_text(char *s, struct sums_line *out)
{
	static bool (*const forms[])(char *, struct sums_line *) = {
		read_tag,   read_plain,   read_row,   read_csv,
		read_field, read_heading, read_other, read_pairs,
	};
	size_t len = strlen(s);
	bool digest = has_digest(s, len) || begins_like_digest(s);
	if (says_nothing(s)) {
		set_kind(out, SUMS_LINE_EMPTY);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (forms[i](s, out))
			return;
	if (digest)
		is_wrong(out, "it is not '<64 hex digits>  <file name>'");
	else
		set_kind(out, SUMS_LINE_FOREIGN);
}

void sums_line_read(char *line, size_t len, struct sums_line *out)
{
	*out = (struct sums_line){ .kind = SUMS_LINE_EMPTY };
	if (strlen(line) != len) {
		if (has_digest(line, len))
			is_wrong(out, "it contains a NUL byte");
		else
			set_kind(out, SUMS_LINE_FOREIGN);
		return;
	}
	line = skip_blanks(line);
	bool escaped = line[0] == '\\' && line[1];
	read_text(line + escaped, out);
	if (escaped && out->kind == SUMS_LINE_ENTRY && !unescape(out->name))
		is_wrong(out, "its file name has an escape other than \\\\, \\n and \\r");
}
