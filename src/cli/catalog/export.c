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
	struct catalog_opts common;     /* first: its options are these */
	const char *output, *key;
	bool sign, all;
};

#define OPT_OUTPUT \
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE, \
		   "write it here instead of to standard output")

/* One document that was made. */
struct made {
	const struct card *model;               /* or NULL */
	const struct card_variant *variant;     /* or NULL */
	const char *key;                        /* id of the key that signed or is told, or NULL */
};

/* ---- giving it out ---- */

static int write_output(const char *path, const struct buf *text, struct err *e)
{
	if (!*path)
		return err_set(e, ERR_USAGE, "-o: the name of a file is wanted");
	return file_write_output(path, buf_str(text), text->len, e);
}

/* The file to write; NULL for standard output, which "-" is, too. */
static const char *output_file(const char *output)
{
	bool standard = output && (strcmp(output, "-") == 0 || strcmp(output, "/dev/stdout") == 0);
	return standard ? NULL : output;
}

static json_t *made_json(const struct made *m, const char *output, const struct buf *text)
{
	json_t *object = json_object();
	if (m->model)
		json_put_string(object, "model", m->model->id);
	if (m->variant)
		json_put_string(object, "variant", m->variant->id);
	json_put_string(object, "key", m->key);
	json_put_string(object, "output", output);
	json_put_string(object, "content", output ? NULL : buf_str(text));
	json_put_u64(object, "size", text->len);
	return object;
}

/* Takes `documents`, an array. */
static int print_documents(struct cli *cli, const char *command, const char *dir,
			   json_t *documents, struct err *e)
{
	json_t *document = json_object();
	json_put_string(document, "command", command);
	json_put_string(document, "repository", dir);
	json_put(document, "documents", documents);
	return cli_print_json(cli, document, e);
}

/* A single document: to the file, or to standard output. */
static int give(struct cli *cli, const char *command, const char *dir, const struct made *m,
		const char *where, const struct buf *text, struct err *e)
{
	const char *output = output_file(where);
	int rc = output ? write_output(output, text, e) : 0;
	if (rc < 0)
		return rc;
	if (cli->json) {
		json_t *documents = json_array();
		json_push(documents, made_json(m, output, text));
		return print_documents(cli, command, dir, documents, e);
	}
	if (output)
		cli_print(cli, "wrote %s\n", output);
	else
		cli_print(cli, "%s", buf_str(text));
	return 0;
}

static int need_folder(const char *dir, struct err *e)
{
	if (*dir && (!file_exists(dir) || file_is_dir(dir)))
		return 0;
	return err_set(e, ERR_USAGE, "--all writes into a folder, which '%s' is not", dir);
}

/* Several documents, which went into the folder `dir` unless rc says otherwise. Takes them. */
static int give_all(struct cli *cli, const char *command, const struct export *x, const char *dir,
		    json_t *documents, int rc, struct err *e)
{
	size_t made = json_array_size(documents);
	if (rc == 0 && cli->json)
		return print_documents(cli, command, x->dir, documents, e);
	json_decref(documents);
	if (rc == 0)
		cli_print(cli, "wrote %zu %s into %s\n", made, made == 1 ? "file" : "files", dir);
	return rc;
}

static int open_tree(struct cli *cli, const struct export_opts *o, struct place *p,
		     struct export *x, struct err *e)
{
	int rc = place_load(cli, &o->common, p, e);
	return rc < 0 ? rc : export_open(p->dir, x, e);
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

/* What is signed says what it is a list of: one of a single model must not pass for that of all. */
static char *sums_comment(const struct export *x, const char *file, const char *reference)
{
	CLEANUP(mem_free_ptr) char *comment = repository_minisig_comment(
		x->catalog.name, x->version, path_base(file), time(NULL));
	return mem_printf("%s\tof:%s", comment, reference ? reference : "all");
}

static int sign_text(const struct place *p, const struct export *x, struct place_ask *ask,
		     const char *trusted, const struct buf *text, struct buf *out, char **keyid,
		     struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(repository_keys_release) struct repository_keys wanted = { 0 };
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(keyring_signers_release) struct keyring_signers opened = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(p->dir, "metadata");
	struct signer *s;
	int rc = place_keyring(p, &keys, e);
	keys.passphrases = &ask->passphrases;
	keys.cancel = ask->cli->cancel;
	if (rc < 0 || (rc = published_load(metadata, &tree, e)) < 0)
		return rc;
	repository_minisig_keys(&tree, &wanted);
	if ((rc = repository_minisig_open(&wanted, &keys, &opened, &s, e)) < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *untrusted = mem_printf("%s of %s, signed with targets key %s",
							   SUMS_NAME, x->catalog.name,
							   s->key->id);
	*keyid = mem_strdup(s->key->id);
	return minisig_sign(s, text->data, text->len, untrusted, trusted, out, e);
}

/* The signature first: nothing is written when it cannot be made. */
static int give_signed(struct cli *cli, const struct export_opts *o,
		       const struct place *p, const struct export *x,
		       const char *reference, const struct buf *text, struct err *e)
{
	CLEANUP(place_ask_release) struct place_ask ask;
	place_ask_init(&ask, cli, p->passphrase_file);
	CLEANUP(buf_release) struct buf sig = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s" MINISIG_SUFFIX, o->output);
	CLEANUP(mem_free_ptr) char *trusted = sums_comment(x, o->output, reference);
	CLEANUP(mem_free_ptr) char *keyid = NULL;
	int rc = sign_text(p, x, &ask, trusted, text, &sig, &keyid, e);
	if (rc < 0 || (rc = write_output(path, &sig, e)) < 0 ||
	    (rc = write_output(o->output, text, e)) < 0)
		return rc;
	if (!cli->json) {
		cli_print(cli, "wrote %s\nwrote %s\n", o->output, path);
		return 0;
	}
	json_t *documents = json_array();
	json_push(documents, made_json(&(struct made){ 0 }, o->output, text));
	json_push(documents, made_json(&(struct made){ .key = keyid }, path, &sig));
	return print_documents(cli, "catalog export sums", p->dir, documents, e);
}

static int run_sums(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct export_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(export_release) struct export x = { 0 };
	CLEANUP(sums_release) struct sums sums = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(SUMS_MAX_BYTES);
	if (o->sign && !output_file(o->output))
		return err_set(e, ERR_USAGE, "--sign needs -o FILE: the signature goes beside it");
	int rc = open_tree(cli, o, &p, &x, e);
	if (rc == 0)
		rc = export_sums(&x, count ? operands[0] : NULL, &sums, e);
	if (rc < 0)
		return rc;
	sums_format(&sums, &text);
	if ((rc = buf_ok(&text, "the list", e)) < 0)
		return rc;
	if (o->sign)
		return give_signed(cli, o, &p, &x, count ? operands[0] : NULL, &text, e);
	return give(cli, "catalog export sums", p.dir, &(struct made){ 0 }, o->output, &text, e);
}

static const struct command export_sums_command = {
	.name = "sums",
	.summary = "SHA-256 of the model files, for sha256sum -c",
	.synopsis = (const char *const[]){ "[MODEL[:VARIANT]]", NULL },
	.description = "Files have their target path, models/MODEL/FILE. With an operand only those "
		       "of that model or variant are listed, without the folder that they share.",
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
		   "write it here instead of to standard output; with --all, a folder"),
	OPT_ENTRY(OPT_FLAG, export_opts, all, 0, "all", NULL,
		  "all variants of all models: DIR/MODEL/VARIANT" METALINK_SUFFIX),
	OPT_LAST,
};

static int write_metalink(const struct export *x, const char *dir, const struct card *model,
			  const struct card_variant *variant, json_t *documents, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(METALINK_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path =
		mem_printf("%s/%s/%s" METALINK_SUFFIX, dir, model->id, variant->id);
	int rc = export_metalink(x, model, variant, &text, e);
	if (rc < 0 || (rc = file_mkdirs_for(path, 0755, e)) < 0 ||
	    (rc = write_output(path, &text, e)) < 0)
		return rc;
	const struct made m = { .model = model, .variant = variant };
	json_push(documents, made_json(&m, path, &text));
	return 0;
}

static int write_all(struct cli *cli, const char *dir, const struct export *x, struct err *e)
{
	json_t *documents = json_array();
	int rc = need_folder(dir, e);
	for (size_t i = 0; rc == 0 && i < x->catalog.model_count; i++) {
		const struct card *model = &x->catalog.models[i];
		for (size_t k = 0; rc == 0 && k < model->variant_count; k++)
			rc = write_metalink(x, dir, model, &model->variants[k], documents, e);
	}
	return give_all(cli, "catalog export metalink", x, dir, documents, rc, e);
}

static int run_metalink(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct export_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(export_release) struct export x = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(METALINK_MAX_BYTES);
	struct made m = { 0 };
	if (o->all ? count != 0 || !o->output : count != 1) {
		err_set(e, ERR_USAGE, "wanted is either a MODEL[:VARIANT], or --all with -o DIR");
		return err_hint(e, "`ferry catalog list` shows what there is");
	}
	int rc = open_tree(cli, o, &p, &x, e);
	if (rc == 0 && o->all)
		return write_all(cli, o->output, &x, e);
	if (rc < 0 || (rc = export_find(&x, operands[0], &m.model, &m.variant, e)) < 0 ||
	    (rc = export_metalink(&x, m.model, m.variant, &text, e)) < 0)
		return rc;
	return give(cli, "catalog export metalink", p.dir, &m, o->output, &text, e);
}

static const struct command export_metalink_command = {
	.name = "metalink",
	.summary = "addresses and digests of a variant, for download managers",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT]", "--all -o DIR", NULL },
	.description = "A Metalink 4 document (RFC 5854) with the size, SHA-256 and piece digests of "
		       "each file, and its URL on each mirror of the signed catalog that holds model "
		       "files and is reached by http or https. `aria2c -M FILE" METALINK_SUFFIX
		       "` downloads and verifies through it.",
	.opts = metalink_opts,
	.opts_size = sizeof(struct export_opts),
	.operand_hint = HINT_MODEL,
	.max_operands = 1,
	.run = run_metalink,
};

/* ---- minisign-key ---- */

#define PUBLIC_SUFFIX ".pub"
#define SHORT_ID 16     /* hex digits that minisign tells keys apart by */

static const struct opt minisign_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE,
		   "write it here instead of to standard output; with --all, a folder"),
	OPT_ENTRY(OPT_FLAG, export_opts, all, 0, "all", NULL,
		  "all keys that may sign the next catalog: DIR/KEYID" PUBLIC_SUFFIX),
	OPT_LAST,
};

static int format_key(const struct export *x, const struct tuf_key *key, struct buf *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *comment = mem_printf("minisign public key of %s, targets key %s",
							 x->catalog.name, key->id);
	return minisig_public(key, comment, out, e);
}

static int write_key(const struct export *x, const char *dir, const struct tuf_key *key,
		     json_t *documents, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	CLEANUP(mem_free_ptr) char *path =
		mem_printf("%s/%.*s" PUBLIC_SUFFIX, dir, SHORT_ID, key->id);
	const struct made m = { .key = key->id };
	int rc = format_key(x, key, &text, e);
	if (rc < 0 || (rc = file_mkdirs_for(path, 0755, e)) < 0 ||
	    (rc = write_output(path, &text, e)) < 0)
		return rc;
	json_push(documents, made_json(&m, path, &text));
	return 0;
}

static int write_keys(struct cli *cli, const char *dir, const struct export *x,
		      const struct repository_keys *keys, struct err *e)
{
	json_t *documents = json_array();
	int rc = need_folder(dir, e);
	for (size_t i = 0; rc == 0 && i < keys->count; i++)
		rc = write_key(x, dir, keys->at[i], documents, e);
	return give_all(cli, "catalog export minisign-key", x, dir, documents, rc, e);
}

static int run_minisign(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	const struct export_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(export_release) struct export x = { 0 };
	CLEANUP(repository_keys_release) struct repository_keys keys = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	size_t present;
	if (o->all && !o->output)
		return err_set(e, ERR_USAGE, "--all needs -o DIR: minisign wants each key in a file "
			       "of its own");
	int rc = open_tree(cli, o, &p, &x, e);
	if (rc < 0 || (rc = repository_minisign_keys(p.dir, &keys, &present, e)) < 0)
		return rc;
	if (o->all)
		return write_keys(cli, o->output, &x, &keys, e);
	const struct made m = { .key = keys.at[present]->id };
	if ((rc = format_key(&x, keys.at[present], &text, e)) < 0)
		return rc;
	if (keys.count > 1)
		report_note(cli->report, "%zu keys of targets may sign a catalog, and this one signed "
			    "the present one; give readers all of them: --all -o DIR", keys.count);
	return give(cli, "catalog export minisign-key", p.dir, &m, o->output, &text, e);
}

static const struct command export_minisign_command = {
	.name = "minisign-key",
	.summary = "the public key that checks catalog.json.minisig",
	.synopsis = (const char *const[]){ "", "--all -o DIR", NULL },
	.description = "Give it to readers by another way than the mirrors: then `minisign -V -p FILE "
		       "-m catalog.json` tells them whether the catalog is yours.",
	.opts = minisign_opts,
	.opts_size = sizeof(struct export_opts),
	.run = run_minisign,
};

/* ---- model-signature ---- */

static const struct opt signature_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_HINTED(OPT_STRING, export_opts, key, 0, "key", "KEY", HINT_FILE,
		   "the ECDSA P-256 key that signs: a private key in PEM form, or the name of one "
		   "in the folder of keys"),
	OPT_HINTED(OPT_STRING, export_opts, output, 'o', "output", "FILE", HINT_FILE,
		   "write it here instead of to standard output; verifiers expect " MODELSIG_NAME
		   " beside the files"),
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	OPT_LAST,
};

/* A key need not be of this repository, so its folder of keys need not be known. */
static int pick_key(const struct place *p, const char *which, struct keyring *out, struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	int rc = p->keys ? keyring_load(p->keys, p->dir, &keys, e) : 0;
	return rc < 0 ? rc : keyring_pick(&keys, &which, 1, out, e);
}

static int run_signature(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count;
	const struct export_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(export_release) struct export x = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MODELSIG_MAX_BYTES);
	struct signer *s;
	struct made m = { 0 };
	if (!o->key) {
		err_set(e, ERR_USAGE, "--key KEY is missing: who signs?");
		return err_hint(e, "`ferry catalog key new NAME --type ecdsa-p256` makes a key");
	}
	int rc = open_tree(cli, o, &p, &x, e);
	if (rc < 0 || (rc = export_find(&x, operands[0], &m.model, &m.variant, e)) < 0)
		return rc;
	CLEANUP(place_ask_release) struct place_ask ask;
	place_ask_init(&ask, cli, p.passphrase_file);
	if ((rc = pick_key(&p, o->key, &keys, e)) < 0)
		return rc;
	keys.passphrases = &ask.passphrases;
	keys.cancel = cli->cancel;
	if ((rc = keyring_signer(&keys, &keys.at[0], &s, e)) < 0 ||
	    (rc = export_model_signature(&x, m.model, m.variant, s, &text, e)) < 0)
		return rc;
	m.key = s->key->id;
	return give(cli, "catalog export model-signature", p.dir, &m, o->output, &text, e);
}

static const struct command export_signature_command = {
	.name = "model-signature",
	.summary = "an OpenSSF Model Signing bundle over a variant's folder",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT] --key KEY", NULL },
	.description = "Signs the names and SHA-256 of the variant's files as version 1.0 of OpenSSF "
		       "Model Signing has it, with a key (not through a transparency log). Verifiers "
		       "want the public key, which `ferry catalog key export` prints.",
	.opts = signature_opts,
	.opts_size = sizeof(struct export_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_signature,
};

static const struct command *const subs[] = {
	&export_sums_command, &export_metalink_command, &export_minisign_command,
	&export_signature_command, NULL,
};

const struct command cmd_catalog_export = {
	.name = "export",
	.summary = "tell what is signed in the formats of other tools",
	.synopsis = (const char *const[]){ "COMMAND …", NULL },
	.subs = subs,
	.max_operands = -1,
};
