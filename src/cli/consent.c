#include "cli/consent.h"

#include "fetch/preview.h"
#include "util/mem.h"

#include <string.h>

/* "replaces version 1"; NULL: it replaces nothing. The caller frees. */
static char *replaced(struct consent *c, const struct remote *remote, const struct card *model,
		      const struct card_variant *v)
{
	CLEANUP(store_variants_release) struct store_variants keep = { 0 };
	const struct card_variant *other = NULL;
	const struct store_variant *old;
	struct err none = ERR_INIT;
	int rc = fetch_from_store(remote->store, remote->repository, model->id, v->id, NULL, &keep,
				  &old, &none);
	if (rc == 0) {
		c->instead = v->id;
		return old->version == v->version ? NULL
						  : mem_printf("replaces version %llu",
							       (unsigned long long)old->version);
	}
	if (fitting_is_auto(c->reference))
		other = fitting_in_store(c->client, remote, model, c->reference, c->fitting);
	c->instead = other ? other->id : NULL;
	return other ? mem_printf("is to be used instead of %s", other->id) : NULL;
}

static bool is_yes(const struct buf *answer)
{
	return str_eq_nocase(buf_str(answer), "y") || str_eq_nocase(buf_str(answer), "yes");
}

static int unconfirmed(const char *what, const char *why, const char *instead, struct err *e)
{
	err_set(e, ERR_USAGE, "%s: %s", what, why);
	e->cause = CAUSE_UNCONFIRMED;
	return err_hint(e,
			"--yes downloads it; %sconfirm-above in ferry.conf sets the size above "
			"which to ask",
			instead);
}

int consent_ask(struct cli *cli, const char *what, const char *instead, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(0);
	CLEANUP(mem_free_ptr) char *question = mem_printf("%s. Download it? [y/N]", what);
	if (!cli_can_ask(cli))
		return unconfirmed(what, "nobody confirmed it", instead, e);
	int rc = cli_ask(cli, question, &answer, e);
	if (rc < 0 && err_is(e, ERR_CANCELLED))
		return rc;
	if (rc < 0)
		err_clear(e);
	return rc == 0 && is_yes(&answer) ? 0 : unconfirmed(what, "not downloaded", instead, e);
}

int consent_get(struct consent *c, struct remote *remote, const struct card *model,
		const struct card_variant *v, const struct fetch_options *options, struct err *e)
{
	CLEANUP(preview_release) struct preview p = { 0 };
	struct err ignored = ERR_INIT;
	char size[SIZE_TEXT];
	if (c->yes || options->versioned || remote->offline || remote->confirm_above == UINT64_MAX)
		return 0;
	CLEANUP(mem_free_ptr) char *old = replaced(c, remote, model, v);
	/* What is wrong with it is said by the fetch itself. */
	if (!old || preview_make(remote, model, v, options, &p, &ignored) < 0)
		return err_is(&ignored, ERR_CANCELLED) ? cancel_check(c->cli->cancel, e) : 0;
	if (p.kept || p.download <= remote->confirm_above)
		return 0;
	CLEANUP(mem_free_ptr)
	char *what = mem_printf("%s/%s:%s version %llu %s and needs a download of %s",
				remote->repository, model->id, v->id,
				(unsigned long long)v->version, old, format_size(size, p.download));
	return consent_ask(c->cli, what, "--offline uses what is in the store; ", e);
}
