#include "cli/catalog/place.h"

#include "repository/export.h"
#include "catalog/metalink.h"
#include "sign/modelsig.h"
#include "repository/minisign.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

struct export_opts {
	struct catalog_opts common; /* first: its options are these */
	const char *output, *key;
	bool sign, all;
};

#define OPT_OUTPUT \
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE, \
		   "write to this file instead of standard output")

/* The input and the results of an export. */
struct desk {
	struct cli *cli;
	const struct export_opts *o;
	struct place place;
	struct export x;
	struct place_ask ask;
	json_t *document, *made; /* made: its "documents" */
};

static void desk_release(struct desk *d)
{
	json_decref(d->document);
	place_ask_release(&d->ask);
	export_release(&d->x);
	place_release(&d->place);
}

static int desk_open(struct cli *cli, const struct export_opts *o, struct desk *d, struct err *e)
{
	int rc = place_load(cli, &o->common, &d->place, e);
	if (rc == 0)
		rc = export_open(d->place.dir, &d->x, e);
	if (rc < 0)
		return rc;
	d->cli = cli;
	d->o = o;
	place_ask_init(&d->ask, cli, d->place.passphrase_file);
	d->document = cli_document(cli);
	json_put_string(d->document, "repository", d->place.dir);
	d->made = json_put_array(d->document, "documents");
	return 0;
}

/* ---- giving it out ---- */

/* What an exported document contains. */
struct about {
	const struct card *model;           /* or NULL */
	const struct card_variant *variant; /* or NULL */
	const char *key;                    /* id of the key that signed or is exported, or
					       NULL */
};

static void put_made(json_t *object, const struct about *a, const char *output,
		     const struct buf *text)
{
	json_put_string(object, "model", a->model ? a->model->id : NULL);
	json_put_string(object, "variant", a->variant ? a->variant->id : NULL);
	json_put_string(object, "key", a->key);
	json_put_string(object, "output", output);
	json_put_string(object, "content", output ? NULL : buf_str(text));
	json_put_u64(object, "size", text->len);
}

static int write_output(const char *path, const struct buf *text, struct err *e)
{
	if (!*path)
		return err_set(e, ERR_USAGE, "-o: give the name of a file");
	return file_write_output(path, buf_str(text), text->len, e);
}

/* The file to write; NULL for standard output, also for "-". */
static const char *output_file(const char *output)
{
	bool standard = output && (strcmp(output, "-") == 0 || strcmp(output, "/dev/stdout") == 0);
	return standard ? NULL : output;
}

/* Writes the only document of this run to the file or to standard output. */
static int give(struct desk *d, const struct about *a, const struct buf *text, struct err *e)
{
	const char *output = output_file(d->o->output);
	int rc = output ? write_output(output, text, e) : 0;
	if (rc < 0)
		return rc;
	put_made(json_push_object(d->made), a, output, text);
	cli_aloud(d->cli, !output);
	if (output)
		cli_line(d->cli, "wrote %s", output);
	else
		cli_raw(d->cli, buf_str(text));
	return cli_result(d->cli, d->document, e);
}

/* Writes one of several documents into the folder of --all. */
static int add(struct desk *d, const struct about *a, const char *path, const struct buf *text,
	       struct err *e)
{
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = write_output(path, text, e);
	if (rc == 0)
		put_made(json_push_object(d->made), a, path, text);
	return rc;
}

static int need_folder(const char *dir, struct err *e)
{
	if (*dir && (!file_exists(dir) || file_is_dir(dir)))
		return 0;
	return err_set(e, ERR_USAGE, "--all writes into a folder, but '%s' is not a folder", dir);
}

static int tell_all(struct desk *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *count = cli_fill(d->document, "{documents#file}");
	cli_line(d->cli, "wrote %s into %s", count, d->o->output);
	return cli_result(d->cli, d->document, e);
}

/* ---- sums ---- */

static const struct opt sums_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_OUTPUT,
	OPT_ENTRY(OPT_FLAG, export_opts, sign, 0, "sign", NULL,
		  "with -o: also write FILE" MINISIG_SUFFIX ", signed with the targets key"),
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	OPT_LAST,
};

/* The signed comment says what the list contains: the list of one model must not pass for that of
 * all. */
static char *sums_comment(const struct export *x, const char *file, const char *reference)
{
	CLEANUP(mem_free_ptr) char *comment =
		repository_minisign_comment(x->catalog.name, x->version, path_base(file),
					    time(NULL));
	return mem_printf("%s\tof:%s", comment, reference ? reference : "all");
}

static int sign_text(struct desk *d, const char *trusted, const struct buf *text, struct buf *out,
		     char **keyid, struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(keyring_signers_release) struct keyring_signers opened = { 0 };
	struct signer *s;
	int rc = place_keyring(&d->place, &keys, e);
	keys.passphrases = &d->ask.passphrases;
	keys.trust = cli_trust(d->cli);
	keys.cancel = d->cli->cancel;
	if (rc == 0)
		rc = repository_minisign_open(d->place.dir, &keys, &opened, &s, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *untrusted = mem_printf("%s of %s, signed with targets key %s",
							   SUMS_NAME, d->x.catalog.name,
							   s->key->id);
	*keyid = mem_strdup(s->key->id);
	return minisig_sign(s, text->data, text->len, untrusted, trusted, out, e);
}

/* Sign first, so that nothing is written if that fails. */
static int give_signed(struct desk *d, const char *reference, const struct buf *text, struct err *e)
{
	CLEANUP(buf_release) struct buf sig = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s" MINISIG_SUFFIX, d->o->output);
	CLEANUP(mem_free_ptr) char *trusted = sums_comment(&d->x, d->o->output, reference);
	CLEANUP(mem_free_ptr) char *keyid = NULL;
	int rc = sign_text(d, trusted, text, &sig, &keyid, e);
	if (rc < 0 || (rc = write_output(path, &sig, e)) < 0 ||
	    (rc = write_output(d->o->output, text, e)) < 0)
		return rc;
	put_made(json_push_object(d->made), &(struct about){ 0 }, d->o->output, text);
	put_made(json_push_object(d->made), &(struct about){ .key = keyid }, path, &sig);
	cli_line(d->cli, "wrote %s", d->o->output);
	cli_line(d->cli, "wrote %s", path);
	return cli_result(d->cli, d->document, e);
}

static int run_sums(struct cli *cli, struct err *e)
{
	const struct export_opts *o = cli->opts;
	const char *reference = cli->count ? cli->operands[0] : NULL;
	CLEANUP(desk_release) struct desk d = { 0 };
	CLEANUP(sums_release) struct sums sums = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(SUMS_MAX_BYTES);
	if (o->sign && !output_file(o->output))
		return err_set(e, ERR_USAGE,
			       "--sign needs -o FILE, because the signature is written beside it");
	int rc = desk_open(cli, o, &d, e);
	if (rc == 0)
		rc = export_sums(&d.x, reference, &sums, e);
	if (rc < 0)
		return rc;
	sums_format(&sums, &text);
	if ((rc = buf_ok(&text, "the list", e)) < 0)
		return rc;
	return o->sign ? give_signed(&d, reference, &text, e)
		       : give(&d, &(struct about){ 0 }, &text, e);
}

static const struct command export_sums_command = {
	.name = "sums",
	.summary = "the SHA-256 of the model files, for sha256sum -c",
	.synopsis = (const char *const[]){ "[MODEL[:VARIANT[@VERSION]]]", NULL },
	.description =
		"Lists the current files of all models by their target path, models/MODEL/FILE. "
		"With an operand, lists only the files of that model, variant or version, by the "
		"names that readers have, without the folder that they share.",
	.opts = sums_opts,
	.opts_size = sizeof(struct export_opts),
	.operand_hint = HINT_MODEL,
	.max_operands = 1,
	.run = run_sums,
};

/* ---- metalink ---- */

static const struct opt metalink_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE,
		   "write to this file instead of standard output; with --all, to this folder"),
	OPT_ENTRY(OPT_FLAG, export_opts, all, 0, "all", NULL,
		  "all variants of all models: DIR/MODEL/VARIANT" METALINK_SUFFIX
		  "; not those that were withdrawn"),
	OPT_LAST,
};

static int write_metalink(struct desk *d, const struct card *model,
			  const struct card_variant *variant, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(METALINK_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s/%s" METALINK_SUFFIX, d->o->output,
						      model->id, variant->id);
	const struct about a = { .model = model, .variant = variant };
	int rc = export_metalink(&d->x, model, variant, &text, e);
	return rc < 0 ? rc : add(d, &a, path, &text, e);
}

static int write_all(struct desk *d, struct err *e)
{
	int rc = need_folder(d->o->output, e);
	for (size_t i = 0; rc == 0 && i < d->x.catalog.model_count; i++) {
		const struct card *model = &d->x.catalog.models[i];
		for (size_t k = 0; rc == 0 && k < model->variant_count; k++)
			if (!card_withdrawn(model, &model->variants[k]).reason)
				rc = write_metalink(d, model, &model->variants[k], e);
	}
	return rc < 0 ? rc : tell_all(d, e);
}

static int run_metalink(struct cli *cli, struct err *e)
{
	const struct export_opts *o = cli->opts;
	CLEANUP(desk_release) struct desk d = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(METALINK_MAX_BYTES);
	struct about a = { 0 };
	if (o->all ? cli->count != 0 || !o->output : cli->count != 1) {
		err_set(e, ERR_USAGE, "give either a MODEL[:VARIANT], or --all with -o DIR");
		return err_hint(e, "`ferry catalog list` lists the models");
	}
	int rc = desk_open(cli, o, &d, e);
	if (rc == 0 && o->all)
		return write_all(&d, e);
	if (rc < 0 || (rc = export_find(&d.x, cli->operands[0], &a.model, &a.variant, e)) < 0 ||
	    (rc = export_metalink(&d.x, a.model, a.variant, &text, e)) < 0)
		return rc;
	return give(&d, &a, &text, e);
}

static const struct command export_metalink_command = {
	.name = "metalink",
	.summary = "the URLs and digests of a variant, for download managers",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT[@VERSION]]", "--all -o DIR", NULL },
	.description = "Writes a Metalink 4 document (RFC 5854) with the size, SHA-256 and piece "
		       "digests of each file, and its URL on each mirror of the signed catalog "
		       "that has model files and an http or https URL. `aria2c -M "
		       "FILE" METALINK_SUFFIX "` downloads and verifies with it.",
	.opts = metalink_opts,
	.opts_size = sizeof(struct export_opts),
	.operand_hint = HINT_MODEL,
	.max_operands = 1,
	.run = run_metalink,
};

/* ---- minisign-key ---- */

#define SHORT_ID 16 /* hex digits that minisign tells keys apart by */

static const struct opt minisign_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE,
		   "write to this file instead of standard output; with --all, to this folder"),
	OPT_ENTRY(OPT_FLAG, export_opts, all, 0, "all", NULL,
		  "write all keys that may sign the next catalog: DIR/KEYID" KEYRING_PUBLIC_SUFFIX),
	OPT_LAST,
};

static int format_key(const struct export *x, const struct tuf_key *key, struct buf *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *comment =
		mem_printf("minisign public key of %s, targets key %s", x->catalog.name, key->id);
	return minisig_public(key, comment, out, e);
}

static int write_keys(struct desk *d, const struct repository_keys *keys, struct err *e)
{
	int rc = need_folder(d->o->output, e);
	for (size_t i = 0; rc == 0 && i < keys->count; i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
		const struct about a = { .key = keys->at[i]->id };
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%.*s" KEYRING_PUBLIC_SUFFIX,
							      d->o->output, SHORT_ID, a.key);
		rc = format_key(&d->x, keys->at[i], &text, e);
		if (rc == 0)
			rc = add(d, &a, path, &text, e);
	}
	return rc < 0 ? rc : tell_all(d, e);
}

static int run_minisign(struct cli *cli, struct err *e)
{
	const struct export_opts *o = cli->opts;
	CLEANUP(desk_release) struct desk d = { 0 };
	CLEANUP(repository_keys_release) struct repository_keys keys = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	size_t present;
	if (o->all && !o->output)
		return err_set(e, ERR_USAGE,
			       "--all needs -o DIR, because minisign needs each key in a separate "
			       "file");
	int rc = desk_open(cli, o, &d, e);
	if (rc < 0 || (rc = repository_minisign_keys(d.place.dir, &keys, &present, e)) < 0)
		return rc;
	if (o->all)
		return write_keys(&d, &keys, e);
	const struct about a = { .key = keys.at[present]->id };
	if ((rc = format_key(&d.x, keys.at[present], &text, e)) < 0)
		return rc;
	if (keys.count > 1)
		report_note(cli->report,
			    "this key signed the current catalog, but %zu keys of targets may sign "
			    "one: give readers all of them (--all -o DIR)",
			    keys.count);
	return give(&d, &a, &text, e);
}

static const struct command export_minisign_command = {
	.name = "minisign-key",
	.summary = "the public key that verifies catalog.json.minisig",
	.synopsis = (const char *const[]){ "", "--all -o DIR", NULL },
	.description = "Give the key to readers, not over the mirrors. They can then verify the "
		       "catalog with `minisign -V -p FILE -m catalog.json`.",
	.opts = minisign_opts,
	.opts_size = sizeof(struct export_opts),
	.run = run_minisign,
};

/* ---- model-signature ---- */

static const struct opt signature_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_HINTED(OPT_STRING, export_opts, key, 0, "key", "KEY", HINT_KEY,
		   "the ECDSA P-256 key that signs: a private key in PEM form, or the name of a "
		   "key in the folder of keys"),
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE,
		   "write to this file instead of standard output; verifiers expect " MODELSIG_NAME
		   " beside the files"),
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	OPT_LAST,
};

/* The key need not belong to this repository, so the folder of keys may be unknown. */
static int pick_key(const struct place *p, const char *which, struct keyring *out, struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	int rc = p->keys ? keyring_load(p->keys, p->dir, &keys, e) : 0;
	return rc < 0 ? rc : keyring_pick(&keys, &which, 1, out, e);
}

static int run_signature(struct cli *cli, struct err *e)
{
	const struct export_opts *o = cli->opts;
	CLEANUP(desk_release) struct desk d = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MODELSIG_MAX_BYTES);
	struct signer *s;
	struct about a = { 0 };
	if (!o->key) {
		err_set(e, ERR_USAGE, "--key KEY is missing");
		return err_hint(e, "`ferry catalog key new NAME --type ecdsa-p256` makes a key");
	}
	int rc = desk_open(cli, o, &d, e);
	if (rc < 0 || (rc = export_find(&d.x, cli->operands[0], &a.model, &a.variant, e)) < 0 ||
	    (rc = pick_key(&d.place, o->key, &keys, e)) < 0)
		return rc;
	keys.passphrases = &d.ask.passphrases;
	keys.trust = cli_trust(cli);
	keys.cancel = cli->cancel;
	if ((rc = keyring_signer(&keys, &keys.at[0], &s, e)) < 0 ||
	    (rc = export_model_signature(&d.x, a.model, a.variant, s, &text, e)) < 0)
		return rc;
	a.key = s->key->id;
	return give(&d, &a, &text, e);
}

static const struct command export_signature_command = {
	.name = "model-signature",
	.summary = "an OpenSSF Model Signing bundle for a variant's folder",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT[@VERSION]] --key KEY", NULL },
	.description = "Signs the names and SHA-256 of the variant's files according to OpenSSF "
		       "Model Signing 1.0, with a key and without a transparency log. Verifiers "
		       "need the public key, which `ferry catalog key export` prints.",
	.opts = signature_opts,
	.opts_size = sizeof(struct export_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_signature,
};

static const struct command *const subs[] = {
	&export_sums_command,
	&export_metalink_command,
	&export_minisign_command,
	&export_signature_command,
	NULL,
};

const struct command cmd_catalog_export = {
	.name = "export",
	.summary = "write the signed catalog in the formats of other tools",
	.subs = subs,
};
