/*
 * Makes a signed tree with many files in hash bins, for measuring:
 *   tuf-bins TREE KEYS FILES BINS
 * FILES model files, each with its manifest, are listed but do not exist; one small target,
 * "models/tiny/tiny.gguf", does. KEYS gets a plain private key for each role. BINS 0: all in
 * targets.
 */
#include "sign/keyring.h"
#include "repository/writer/writer.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const roles[] = { "root", "targets", "snapshot", "timestamp" };

static int add_keys(struct writer *w, struct keyring *keys, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(roles); i++) {
		rc = keyring_new(keys, roles[i], PRIVKEY_ED25519, NULL, e);
		if (rc == 0)
			rc = writer_key_add(w, roles[i], keyring_find(keys, roles[i])->public, e);
	}
	return rc;
}

static int add_bins(struct writer *w, const struct keyring *keys, uint64_t bins, struct err *e)
{
	const struct tuf_key *key[] = { keyring_find(keys, "targets")->public };
	struct writer_bin_delegation d = {
		.prefix = "bin",
		.threshold = 1,
		.keys = key,
		.key_count = 1,
	};
	while (d.bit_length < 16 && UINT64_C(1) << d.bit_length < bins)
		d.bit_length++;
	if (UINT64_C(1) << d.bit_length != bins)
		return err_set(e, ERR_USAGE, "%llu is no power of two up to 65536",
			       (unsigned long long)bins);
	return writer_delegate_bins(w, &d, e);
}

static int set(struct writer *w, const char *path, uint64_t size, const struct digest *sha256,
	       struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
	return writer_target_set(w, owner, path, size, sha256, e);
}

static int add_file(struct writer *w, uint64_t i, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path =
		mem_printf("models/model-%05llu/model-%05llu-q4_k_m.gguf",
			   (unsigned long long)i / 4, (unsigned long long)i);
	CLEANUP(mem_free_ptr) char *manifest = mem_printf("%s.manifest.json", path);
	struct digest sha256;
	sha256_of(path, strlen(path), &sha256);
	int rc = set(w, path, 4 * GIB + i, &sha256, e);
	sha256_of(manifest, strlen(manifest), &sha256);
	return rc < 0 ? rc : set(w, manifest, 50000 + i, &sha256, e);
}

static int add_tiny(struct writer *w, const char *tree, struct err *e)
{
	static const char text[] = "tiny\n";
	struct digest sha256;
	char hex[DIGEST_HEX];
	sha256_of(text, strlen(text), &sha256);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/targets/models/tiny/%s.tiny.gguf", tree,
						      digest_hex(hex, &sha256));
	int rc = file_mkdirs_for(path, 0755, e);
	if (rc == 0)
		rc = file_write_atomic(path, text, strlen(text), 0644, e);
	return rc < 0 ? rc : set(w, "models/tiny/tiny.gguf", strlen(text), &sha256, e);
}

static int save(struct writer *w, struct keyring *keys, struct err *e)
{
	CLEANUP(keyring_signers_release) struct keyring_signers signers = { 0 };
	CLEANUP(str_list_release) struct str_list wanted = { 0 };
	struct writer_saved saved;
	for (size_t i = 0; i < keys->count; i++)
		str_list_add(&wanted, keys->at[i].public->id);
	int rc = keyring_open(keys, &wanted, (const char *const[]){ NULL }, &signers, e);
	return rc < 0 ? rc : writer_save(w, signers.at, signers.count, &saved, e);
}

static int run(const char *tree, const char *dir, uint64_t files, uint64_t bins, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	int rc = keyring_load(dir, tree, &keys, e);
	if (rc == 0)
		rc = writer_open(tree, NULL, time(NULL), &w, e);
	if (rc == 0)
		rc = add_keys(w, &keys, e);
	if (rc == 0 && bins)
		rc = add_bins(w, &keys, bins, e);
	if (rc == 0)
		rc = add_tiny(w, tree, e);
	for (uint64_t i = 0; rc == 0 && i < files; i++)
		rc = add_file(w, i, e);
	return rc < 0 ? rc : save(w, &keys, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	uint64_t files, bins;
	if (argc != 5 || !parse_u64(argv[3], &files) || !parse_u64(argv[4], &bins)) {
		fprintf(stderr, "usage: tuf-bins TREE KEYS FILES BINS\n");
		return 2;
	}
	if (run(argv[1], argv[2], files, bins, &e) < 0) {
		fprintf(stderr, "tuf-bins: %s\n", e.text);
		return 1;
	}
	return 0;
}
