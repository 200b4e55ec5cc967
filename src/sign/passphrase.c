#include "sign/passphrase.h"

void passphrase_release(struct passphrases *p)
{
	buf_wipe(&p->known);
	p->has_known = false;
}

void passphrase_know(struct passphrases *p, const struct buf *passphrase)
{
	passphrase_release(p);
	buf_init(&p->known, PASSPHRASE_MAX);
	buf_add(&p->known, buf_str(passphrase), passphrase->len);
	p->has_known = true;
}

int passphrase_ask(struct passphrases *p, const char *path, struct err *e)
{
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(PASSPHRASE_MAX);
	if (!p || !p->ask)
		return err_set(e, ERR_USAGE, "%s is encrypted, and no passphrase was given", path);
	int rc = p->ask(p->ctx, path, &answer, e);
	if (rc == 0)
		passphrase_know(p, &answer);
	return rc;
}
