#include "settings/secret.h"

#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>
#include <sys/stat.h>

#define SECRET_MAX (16 * KIB)

static int check_private(const char *path, struct err *e)
{
	struct stat st;
	if (stat(path, &st) < 0 || !(st.st_mode & 077) || !S_ISREG(st.st_mode))
		return 0; /* what is not there is said when it is read */
	err_set(e, ERR_USAGE, "%s: other users can read this file, which contains a secret", path);
	return err_hint(e, "chmod 600 %s", path);
}

int settings_secret_read(const char *path, char **out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(SECRET_MAX);
	int rc = check_private(path, e);
	if (rc == 0 && (rc = file_read_all(path, &text, e)) < 0)
		err_class_set(e, ERR_USAGE);
	if (rc < 0)
		return -(int)e->class;
	*out = mem_strndup(buf_str(&text), strcspn(buf_str(&text), "\r\n"));
	return 0;
}

void settings_secret_free(char *secret)
{
	if (secret)
		mem_wipe(secret, strlen(secret));
	free(secret);
}
