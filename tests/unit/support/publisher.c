#include "publisher.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#define ECDSA 5

static const char *const roles[] = { "root", "targets", "snapshot", "timestamp" };

int publisher_set_up(void **state)
{
	struct publisher *p = NEW(struct publisher);
	p->dir = scratch_new();
	p->tree = path_join(p->dir, "tree");
	p->metadata = path_join(p->dir, "tree/metadata");
	p->trust = path_join(p->dir, "trust");
	for (size_t i = 0; i < ARRAY_LEN(p->keys); i++) {
		struct privkey *k;
		struct err e = ERR_INIT;
		assert_ok(privkey_new(i == ECDSA ? PRIVKEY_ECDSA_P256 : PRIVKEY_ED25519, &k, &e),
			  &e);
		p->keys[i] = privkey_signer(k, i < SPARE ? roles[i] : "spare");
	}
	*state = p;
	return 0;
}

int publisher_tear_down(void **state)
{
	struct publisher *p = *state;
	for (size_t i = 0; i < ARRAY_LEN(p->keys); i++)
		signer_free(p->keys[i]);
	str_list_release(&p->requests);
	scratch_free(p->dir);
	free(p->tree);
	free(p->metadata);
	free(p->trust);
	free(p);
	return 0;
}

struct writer *publisher_open(const struct publisher *p, int64_t now_s)
{
	struct writer *w;
	struct err e = ERR_INIT;
	assert_ok(writer_open(p->tree, NULL, now_s, &w, &e), &e);
	return w;
}

void publisher_add_keys(const struct publisher *p, struct writer *w)
{
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		assert_ok(writer_key_add(w, roles[i], p->keys[i]->key, &e), &e);
}

void publisher_set(struct writer *w, const char *role, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	struct digest d;
	sha256_of(text, strlen(text), &d);
	assert_ok(writer_target_set(w, role, path, strlen(text), &d, &e), &e);
}

struct writer_saved publisher_save(struct writer *w, struct signer *const *signers, size_t count)
{
	struct writer_saved saved;
	struct err e = ERR_INIT;
	assert_ok(writer_save(w, signers, count, &saved, &e), &e);
	return saved;
}

static int get_file(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct publisher *p = ctx;
	CLEANUP(mem_free_ptr) char *path = path_join(p->metadata, name);
	str_list_add(&p->requests, name);
	return file_read_all(path, out, e);
}

int publisher_read(struct publisher *p, int64_t now_s, struct tuf_client **out, struct err *e)
{
	struct tuf_transport transport = { .get = get_file, .ctx = p };
	struct err opened = ERR_INIT;
	if (!tuf_client_is_initialised(p->trust)) {
		CLEANUP(mem_free_ptr) char *path = path_join(p->metadata, "1.root.json");
		CLEANUP(buf_release) struct buf root = BUF_INIT(MIB);
		assert_ok(file_read_all(path, &root, &opened), &opened);
		assert_ok(tuf_client_init(p->trust, root.data, root.len, &opened), &opened);
	}
	assert_ok(tuf_client_open(p->trust, &transport, NULL, now_s, out, &opened), &opened);
	str_list_release(&p->requests);
	int rc = tuf_client_refresh(*out, e);
	if (rc < 0)
		tuf_client_close(*out);
	return rc;
}
