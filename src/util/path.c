#include "util/path.h"

#include "util/buf.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *path_join(const char *a, const char *b)
{
	if (b[0] == '/' || a[0] == '\0')
		return mem_strdup(b);
	return mem_printf("%s%s%s", a, str_ends(a, "/") ? "" : "/", b);
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return mem_strdup(".");
	if (slash == path)
		return mem_strdup("/");
	return mem_strndup(path, (size_t)(slash - path));
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool is_link(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

char *path_absolute(const char *path)
{
	char *cwd = getcwd(NULL, 0);
	CLEANUP(mem_free_ptr) char *whole = path_join(cwd ? cwd : "/", path);
	free(cwd);
	struct buf out = BUF_INIT(64 * KIB);
	for (const char *p = whole; *p;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		char *last = out.len ? strrchr(out.data, '/') : NULL;
		if (len == 2 && memcmp(p, "..", 2) == 0 && (!last || !is_link(out.data))) {
			out.len = last ? (size_t)(last - out.data) : 0;
			if (last)
				*last = '\0';
		} else if (len && !(len == 1 && *p == '.')) {
			buf_addc(&out, '/');
			buf_add(&out, p, len);
		}
		p += len;
	}
	if (out.len == 0)
		buf_addc(&out, '/');
	return buf_steal(&out);
}

static bool part_ok(const char *s, size_t len)
{
	if (!text_is_name(s, len) || len == 0 || len > 255 || (len == 1 && s[0] == '.') ||
	    (len == 2 && s[0] == '.' && s[1] == '.'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] == '\\' || s[i] == '/')
			return false;
	return true;
}

bool path_is_key(const char *key)
{
	size_t len = strlen(key);
	if (len == 0 || len > 1024)
		return false;
	for (;;) {
		size_t part = strcspn(key, "/");
		if (!part_ok(key, part))
			return false;
		if (!key[part])
			return true;
		key += part + 1;
	}
}

bool path_is_name(const char *name)
{
	return part_ok(name, strlen(name));
}

bool path_is_id(const char *id)
{
	size_t len = strlen(id);
	if (len == 0 || len > 64 || strstr(id, ".."))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = id[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!word && (i == 0 || !strchr("._-", c)))
			return false;
	}
	return true;
}

char *path_percent_encode(const char *s, const char *keep)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789-._~";
	struct buf b = BUF_INIT(3 * strlen(s));
	for (; *s; s++) {
		if (strchr(safe, *s) || strchr(keep, *s))
			buf_addc(&b, *s);
		else
			buf_addf(&b, "%%%02X", (unsigned char)*s);
	}
	return buf_steal(&b);
}

bool path_percent_decode(char *s)
{
	char *out = s;
	for (; *s; s++) {
		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		char hex[3] = { s[1], s[1] ? s[2] : '\0', '\0' };
		unsigned char byte;
		if (!hex_decode(&byte, 1, hex, true) || byte == 0)
			return false;
		*out++ = (char)byte;
		s += 2;
	}
	*out = '\0';
	return true;
}

char *path_file_url(const char *path)
{
	CLEANUP(mem_free_ptr) char *whole = path_absolute(path);
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(whole, "/");
	return mem_printf("file://%s", encoded);
}

int path_xdg(const char *variable, const char *below_home, char **out, struct err *e)
{
	const char *dir = getenv(variable);
	if (dir && dir[0] == '/') {
		*out = mem_strdup(dir);
		return 0;
	}
	const char *home = getenv("HOME");
	if (!home || home[0] != '/') {
		err_set(e, ERR_USAGE, "neither %s nor HOME is set", variable);
		return err_hint(e, "set HOME, or set %s to the absolute path of a folder",
				variable);
	}
	*out = path_join(home, below_home);
	return 0;
}
