#include "cli/catalog/ceremony.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

void ceremony_desk_release(struct ceremony_desk *d)
{
	place_release(&d->place);
	keyring_release(&d->names);
	keyring_release(&d->keys);
	place_ask_release(&d->ask);
	mem_free_ptr(&d->named);
}

bool ceremony_is_copy(const struct place *p)
{
	CLEANUP(mem_free_ptr) char *metadata = path_join(p->dir, "metadata");
	CLEANUP(mem_free_ptr) char *objects = path_join(p->dir, "targets");
	return file_is_dir(metadata) && !file_is_dir(objects);
}

/* Names are only an aid: continue if the folder of keys cannot be read. */
static void load_names(struct ceremony_desk *d)
{
	struct err ignored = ERR_INIT;
	if (d->place.keys && keyring_load(d->place.keys, d->place.dir, &d->names, &ignored) < 0)
		d->names = (struct keyring){ 0 };
}

static int load_signers(struct ceremony_desk *d, const struct ceremony_opts *o, struct err *e)
{
	if (o->signers.count == 0 && !d->place.keys && d->copy) {
		err_set(e, ERR_USAGE, "no key is given");
		return err_hint(e,
				"give a key with --key FILE, or a folder of keys with --keys DIR");
	}
	if (o->signers.count == 0)
		return place_keyring(&d->place, &d->keys, e);
	int rc = keyring_pick(&d->names, o->signers.at, o->signers.count, &d->keys, e);
	keyring_learn(&d->names, &d->keys);
	return rc == -ERR_NOT_FOUND ? err_class_set(e, ERR_USAGE) : rc;
}

/* Every later root is verified from the first one, so a forged copy must start with a different
 * first root to hide what its draft changes. */
static int check_first_root(const struct place *p, const char *hex, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(p->dir, "metadata/1.root.json");
	struct digest want, have;
	uint64_t size;
	if (!digest_parse(&want, hex))
		return err_set(e, ERR_USAGE, "--root-sha256: expected 64 hexadecimal digits");
	int rc = sha256_of_file(path, NULL, &have, &size, e);
	if (rc < 0 || digest_equal(&want, &have))
		return rc;
	char here[DIGEST_HEX], given[DIGEST_HEX];
	err_set(e, ERR_INTEGRITY,
		"%s has the SHA-256 %s, but --root-sha256 is %s: it is not the first root that you "
		"expect",
		path, digest_hex(here, &have), digest_hex(given, &want));
	return err_hint(e, "it belongs to another repository or is forged: do not sign anything in "
			   "this copy");
}

int ceremony_desk_open(struct cli *cli, const struct ceremony_opts *o, bool signs,
		       struct ceremony_desk *d, struct err *e)
{
	int rc = place_load(cli, &o->common, &d->place, e);
	if (rc == 0 && o->root_sha256)
		rc = check_first_root(&d->place, o->root_sha256, e);
	if (rc < 0)
		return rc;
	d->copy = ceremony_is_copy(&d->place);
	d->named = o->common.dir ? mem_strdup(o->common.dir) : NULL;
	load_names(d);
	if (signs && (rc = load_signers(d, o, e)) < 0)
		return rc;
	const struct place *p = &d->place;
	place_ask_init(&d->ask, cli, p->passphrase_file);
	d->keys.passphrases = &d->ask.passphrases;
	d->keys.trust = cli_trust(cli);
	d->keys.cancel = cli->cancel;
	d->how = (struct repository_signing){
		.name = p->name,
		.title = p->title,
		.mirrors = p->mirrors,
		.immutable = &p->immutable,
		.catalog_max = p->catalog_max,
		.expiry = p->expiry,
		.now_s = time(NULL),
		.keys = &d->keys,
		.names = &d->names,
		.report = cli->report,
		.cancel = cli->cancel,
	};
	return 0;
}

int ceremony_status(const struct place *p, struct writer_statuses *out, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_look(p->dir, time(NULL), &w, e);
	return rc < 0 ? rc : writer_status_take(w, out, e);
}

void ceremony_print_complete(struct cli *cli, const struct ceremony_desk *d)
{
	if (d->copy)
		cli_line(cli, "complete: take this copy back to the publisher, for `ferry catalog "
			      "merge`");
	else
		cli_line(cli, "complete, and published in %s", d->place.dir);
}
