#include "mirror_contract.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIXED_PREFIX "contract/"
#define BIG_SIZE (3 * MIB + 12345)
#define PIECES_SIZE (17 * MIB + 1)

/* -- content --------------------------------------------------------------------- */

/* Byte i of every body: no period that a wrong offset could hide behind. */
static uint8_t byte_at(uint64_t i)
{
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;
	return (uint8_t)(x >> 56);
}

static const struct object {
	const char *name;
	uint64_t size;
} objects[] = {
	{ "targets/models/phi/big.bin", BIG_SIZE },
	{ "targets/small.txt", 1000 },
	{ "targets/empty", 0 },
	{ "targets/a name, with + % # ? & \xc3\xbc.bin", 77 },
	{ "metadata/1.root.json", 300 },
};

struct source {
	uint64_t size, asked;   /* asked: bytes read so far */
	uint64_t fail_at;       /* reading this byte fails; UINT64_MAX: none */
	uint64_t lie_at;        /* this byte is another one than the digest says */
};

static int source_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct source *s = ctx;
	if (s->fail_at >= offset && s->fail_at < offset + len)
		return err_set(e, ERR_SYSTEM, "simulated failure of the source");
	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = (uint8_t)(byte_at(offset + i) ^
						 (offset + i == s->lie_at));
	s->asked += len;
	return 0;
}

static struct source source_of(uint64_t size)
{
	return (struct source){ .size = size, .fail_at = UINT64_MAX, .lie_at = UINT64_MAX };
}

static void hash_range(uint64_t offset, uint64_t len, struct digest *out)
{
	CLEANUP_PTR(sha256_free) struct sha256 *h = sha256_new();
	uint8_t block[4096];
	for (uint64_t at = 0; at < len; at += sizeof block) {
		size_t n = (size_t)MIN(sizeof block, len - at);
		for (size_t i = 0; i < n; i++)
			block[i] = byte_at(offset + at + i);
		sha256_add(h, block, n);
	}
	sha256_final(h, out);
}

/* pieces: room for 3, or NULL. */
static struct mirror_body body_of(struct source *s, struct digest *pieces)
{
	struct err e = ERR_INIT;
	struct mirror_body b = { .read_at = source_read, .ctx = s, .pieces = pieces };
	if (grid_for(s->size, &b.grid, &e) < 0)
		abort();
	hash_range(0, s->size, &b.sha256);
	for (uint32_t i = 0; pieces && i < b.grid.count; i++)
		hash_range(grid_offset(&b.grid, i), grid_length(&b.grid, i), &pieces[i]);
	return b;
}

/* Compares what arrives with byte_at() from offset on. */
struct check {
	uint64_t offset, got;
	bool wrong;
	uint64_t stop_at;       /* fails once so many bytes came; 0: never */
};

static int check_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct check *c = ctx;
	for (size_t i = 0; i < len; i++)
		if (((const uint8_t *)data)[i] != byte_at(c->offset + c->got + i))
			c->wrong = true;
	c->got += len;
	if (c->stop_at && c->got >= c->stop_at)
		return err_set(e, ERR_FAULT, "the sink has had enough");
	return 0;
}

/* -- helpers of the tests -------------------------------------------------------- */

#define FAIL(c, ...) (snprintf((c)->failure, sizeof (c)->failure, __VA_ARGS__), -1)
#define CHECK(c, condition)                                                   \
	do {                                                                  \
		if (!(condition))                                             \
			return FAIL(c, "line %d: %s", __LINE__, #condition);  \
	} while (0)
#define CHECK_OK(c, call)                                                     \
	do {                                                                  \
		struct err e = ERR_INIT;                                      \
		if ((call) < 0)                                               \
			return FAIL(c, "line %d: %s: %s", __LINE__,           \
				    err_class_name(e.class), e.text);         \
	} while (0)
#define CHECK_ERR(c, class_, call)                                            \
	do {                                                                  \
		struct err e = ERR_INIT;                                      \
		int rc = (call);                                              \
		if (rc != -(int)(class_) || e.class != (class_) || !e.text[0]) \
			return FAIL(c, "line %d: wanted %s, got %d %s: %s", __LINE__, \
				    err_class_name(class_), rc, err_class_name(e.class), \
				    e.text);                                  \
	} while (0)

static const char *key_of(const struct contract *c, const char *name)
{
	static _Thread_local char keys[4][512];
	static _Thread_local unsigned next;
	char *key = keys[next++ % 4];
	snprintf(key, sizeof keys[0], "%s%s", c->prefix, name);
	return key;
}

static int get(struct contract *c, const char *name, uint64_t offset, uint64_t len,
	       struct check *k, struct err *e)
{
	struct mirror_sink sink = { .write = check_write, .ctx = k };
	k->offset = offset;
	return mirror_get(c->m, key_of(c, name), offset, len, &sink, e);
}

static int put_plain(struct contract *c, const char *name, uint64_t size, struct err *e)
{
	struct source s = source_of(size);
	struct mirror_body b = body_of(&s, NULL);
	return mirror_put(c->m, key_of(c, name), &b, NULL, NULL, e);
}

/* -- reading --------------------------------------------------------------------- */

static int stat_tells_the_size(struct contract *c)
{
	for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
		struct mirror_stat a, b;
		CHECK_OK(c, mirror_stat_key(c->m, key_of(c, objects[i].name), &a, &e));
		CHECK_OK(c, mirror_stat_key(c->m, key_of(c, objects[i].name), &b, &e));
		CHECK(c, a.size == objects[i].size);
		CHECK(c, strcmp(a.etag, b.etag) == 0);
		struct digest d;
		hash_range(0, objects[i].size, &d);
		CHECK(c, !a.has_sha256 || digest_equal(&a.sha256, &d));
	}
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "targets/small.txt"), NULL, &e));
	return 0;
}

static int get_gives_the_whole(struct contract *c)
{
	for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
		struct check k = { 0 };
		CHECK_OK(c, get(c, objects[i].name, 0, UINT64_MAX, &k, &e));
		CHECK(c, k.got == objects[i].size);
		CHECK(c, !k.wrong);
	}
	return 0;
}

static int get_gives_ranges(struct contract *c)
{
	static const struct { uint64_t offset, len, got; } ranges[] = {
		{ 0, 1, 1 }, { 0, 1000, 1000 }, { 1, 1, 1 }, { MIB - 1, 2, 2 },
		{ MIB, MIB, MIB }, { BIG_SIZE - 1, 1, 1 }, { BIG_SIZE - 10, UINT64_MAX, 10 },
		{ 0, BIG_SIZE, BIG_SIZE }, { BIG_SIZE, UINT64_MAX, 0 }, { 5, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct check k = { 0 };
		CHECK_OK(c, get(c, objects[0].name, ranges[i].offset, ranges[i].len, &k, &e));
		CHECK(c, k.got == ranges[i].got);
		CHECK(c, !k.wrong);
	}
	return 0;
}

static int a_range_past_the_end_is_refused(struct contract *c)
{
	static const struct { uint64_t offset, len; } ranges[] = {
		{ 0, 1001 }, { 999, 2 }, { 1000, 1 }, { 1001, UINT64_MAX }, { 5000, 10 },
		{ UINT64_MAX - 5, 10 },
	};
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct check k = { 0 };
		CHECK_ERR(c, ERR_INTEGRITY, get(c, "targets/small.txt", ranges[i].offset,
						ranges[i].len, &k, &e));
		CHECK(c, k.got == 0);
	}
	return 0;
}

static int what_is_missing_is_not_found(struct contract *c)
{
	struct check k = { 0 };
	struct err folder = ERR_INIT;
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "targets/none"), NULL, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, get(c, "targets/none", 0, UINT64_MAX, &k, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, get(c, "none/none/none", 5, 10, &k, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, get(c, "targets/small.txt/below", 0, UINT64_MAX, &k, &e));
	/* A folder is no object; a web server may rather forbid to look into it. */
	CHECK(c, mirror_stat_key(c->m, key_of(c, "targets/models"), NULL, &folder) < 0);
	CHECK(c, err_is(&folder, ERR_NOT_FOUND) || err_is(&folder, ERR_AUTH));
	CHECK(c, strstr(folder.text, c->m->id) && strstr(folder.text, "targets/models"));
	return 0;
}

static int what_is_no_key_is_refused(struct contract *c)
{
	static const char *const keys[] = { "", "/etc/passwd", "../x", "a/../b", "a//b", "./a",
					    "a/", "a\nb", "a\\b", "\xff" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct check k = { 0 };
		struct mirror_sink sink = { .write = check_write, .ctx = &k };
		CHECK_ERR(c, ERR_USAGE, mirror_stat_key(c->m, keys[i], NULL, &e));
		CHECK_ERR(c, ERR_USAGE, mirror_get(c->m, keys[i], 0, UINT64_MAX, &sink, &e));
	}
	return 0;
}

static int a_sink_can_stop_the_transfer(struct contract *c)
{
	struct check k = { .stop_at = 10 };
	struct err stopped = ERR_INIT;
	CHECK(c, get(c, objects[0].name, 0, UINT64_MAX, &k, &stopped) == -ERR_FAULT);
	CHECK(c, err_is(&stopped, ERR_FAULT) && strstr(stopped.text, "the sink has had enough"));
	CHECK(c, k.got < BIG_SIZE);
	k = (struct check){ 0 };        /* and the mirror is as good as before */
	CHECK_OK(c, get(c, objects[0].name, 100, 100, &k, &e));
	CHECK(c, k.got == 100 && !k.wrong);
	return 0;
}

static int a_small_get_keeps_its_ceiling(struct contract *c)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(1000);
	CLEANUP(buf_release) struct buf tight = BUF_INIT(999);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "targets/small.txt"), &b, &e));
	CHECK(c, b.len == 1000 && (uint8_t)b.data[999] == byte_at(999));
	CHECK_ERR(c, ERR_INTEGRITY,
		  mirror_get_small(c->m, key_of(c, "targets/small.txt"), &tight, &e));
	return 0;
}

static int ignore_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)ctx, (void)entry, (void)e;
	return 0;
}

static int a_read_only_mirror_says_so(struct contract *c)
{
	CHECK_ERR(c, ERR_USAGE, put_plain(c, "targets/new", 10, &e));
	CHECK_ERR(c, ERR_USAGE, mirror_remove(c->m, key_of(c, "targets/small.txt"), &e));
	CHECK_ERR(c, ERR_USAGE, mirror_copy(c->m, key_of(c, "targets/small.txt"),
					    key_of(c, "targets/b"), &e));
	if (!(c->m->caps.can & MIRROR_CAN_LIST))
		CHECK_ERR(c, ERR_USAGE, mirror_list(c->m, "", ignore_entry, NULL, &e));
	return 0;
}

/* -- writing --------------------------------------------------------------------- */

static int put_stores_and_tells(struct contract *c)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 100000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct source s = source_of(sizes[i]);
		struct mirror_body b = body_of(&s, NULL);
		struct mirror_stat put, after;
		struct check k = { 0 };
		CHECK_OK(c, mirror_put(c->m, key_of(c, "w/deep/er/a"), &b, NULL, &put, &e));
		CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "w/deep/er/a"), &after, &e));
		CHECK(c, put.size == sizes[i] && after.size == sizes[i]);
		CHECK(c, strcmp(put.etag, after.etag) == 0);
		CHECK(c, !put.has_sha256 || digest_equal(&put.sha256, &b.sha256));
		CHECK_OK(c, get(c, "w/deep/er/a", 0, UINT64_MAX, &k, &e));
		CHECK(c, k.got == sizes[i] && !k.wrong);
	}
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/text"), "hello", 5, NULL, &e));
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/text"), &text, &e));
	CHECK(c, strcmp(buf_str(&text), "hello") == 0);
	return 0;
}

static int put_creates_only_if_absent(struct contract *c)
{
	struct mirror_put how = { .only_if_absent = true };
	if (!(c->m->caps.can & MIRROR_CAN_CREATE_ONLY)) {
		CHECK_ERR(c, ERR_USAGE, mirror_put_small(c->m, key_of(c, "w/once"), "a", 1, &how, &e));
		return 0;
	}
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/once"), "first", 5, &how, &e));
	CHECK_ERR(c, ERR_CONFLICT,
		  mirror_put_small(c->m, key_of(c, "w/once"), "second", 6, &how, &e));
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/once"), &text, &e));
	CHECK(c, strcmp(buf_str(&text), "first") == 0);
	return 0;
}

static int put_replaces_only_what_it_knows(struct contract *c)
{
	if (!(c->m->caps.can & MIRROR_CAN_REPLACE_IF))
		return 0;
	struct mirror_stat st, newer;
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/cas"), "one", 3, NULL, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "w/cas"), &st, &e));
	CHECK(c, st.etag[0] != '\0');
	struct mirror_put how = { .only_if_etag = st.etag };
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/cas"), "two", 3, &how, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "w/cas"), &newer, &e));
	CHECK(c, strcmp(newer.etag, st.etag) != 0);
	CHECK_ERR(c, ERR_CONFLICT,
		  mirror_put_small(c->m, key_of(c, "w/cas"), "six", 3, &how, &e));
	CHECK_ERR(c, ERR_CONFLICT,
		  mirror_put_small(c->m, key_of(c, "w/cas-none"), "six", 3, &how, &e));
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/cas"), &text, &e));
	CHECK(c, strcmp(buf_str(&text), "two") == 0);
	return 0;
}

static int put_refuses_other_bytes_than_announced(struct contract *c)
{
	struct source s = source_of(50000);
	struct mirror_body b = body_of(&s, NULL);
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	s.lie_at = 49999;
	CHECK_ERR(c, ERR_INTEGRITY, mirror_put(c->m, key_of(c, "w/lie"), &b, NULL, NULL, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "w/lie"), NULL, &e));
	CHECK_OK(c, mirror_put_small(c->m, key_of(c, "w/lie"), "old", 3, NULL, &e));
	CHECK_ERR(c, ERR_INTEGRITY, mirror_put(c->m, key_of(c, "w/lie"), &b, NULL, NULL, &e));
	CHECK_OK(c, mirror_get_small(c->m, key_of(c, "w/lie"), &text, &e));
	CHECK(c, strcmp(buf_str(&text), "old") == 0);
	s.lie_at = UINT64_MAX;          /* a lie leaves nothing that hurts the next one */
	CHECK_OK(c, mirror_put(c->m, key_of(c, "w/lie"), &b, NULL, NULL, &e));
	struct check k = { 0 };
	CHECK_OK(c, get(c, "w/lie", 0, UINT64_MAX, &k, &e));
	CHECK(c, k.got == 50000 && !k.wrong);
	return 0;
}

struct counter {
	struct report report;
	int64_t bytes;
};

static void count(struct report *r, const struct report_event *event)
{
	if (event->kind == REPORT_ADVANCE)
		((struct counter *)r)->bytes += event->bytes;
}

static int put_goes_on_after_a_failure(struct contract *c)
{
	struct digest pieces[3];
	struct source s = source_of(PIECES_SIZE);
	struct mirror_body b = body_of(&s, pieces);
	struct counter counter = { .report = { .emit = count } };
	struct mirror_put how = { .task = "put", .report = &counter.report };
	s.fail_at = 9 * MIB;
	CHECK_ERR(c, ERR_SYSTEM, mirror_put(c->m, key_of(c, "w/pieces"), &b, &how, NULL, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "w/pieces"), NULL, &e));
	s.fail_at = UINT64_MAX;
	counter.bytes = 0;
	struct mirror_stat st;
	CHECK_OK(c, mirror_put(c->m, key_of(c, "w/pieces"), &b, &how, &st, &e));
	CHECK(c, st.size == PIECES_SIZE);
	CHECK(c, counter.bytes == (int64_t)PIECES_SIZE);
	struct digest root;
	grid_root(pieces, 3, &root);
	CHECK(c, !st.has_pieces_sha256 || digest_equal(&st.pieces_sha256, &root));
	struct check k = { 0 };
	CHECK_OK(c, get(c, "w/pieces", 0, UINT64_MAX, &k, &e));
	CHECK(c, k.got == PIECES_SIZE && !k.wrong);
	return 0;
}

static int put_names_the_wrong_piece(struct contract *c)
{
	struct digest pieces[3];
	struct source s = source_of(PIECES_SIZE);
	struct mirror_body b = body_of(&s, pieces);
	s.lie_at = 8 * MIB + 5;
	CHECK_ERR(c, ERR_INTEGRITY, mirror_put(c->m, key_of(c, "w/wrong"), &b, NULL, NULL, &e));
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "w/wrong"), NULL, &e));
	return 0;
}

static int copy_makes_a_second_object(struct contract *c)
{
	if (!(c->m->caps.can & MIRROR_CAN_COPY))
		return 0;
	struct check k = { 0 }, again = { 0 };
	CHECK_OK(c, put_plain(c, "w/from", 3000, &e));
	CHECK_OK(c, mirror_copy(c->m, key_of(c, "w/from"), key_of(c, "w/x/to"), &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "w/from"), &e));
	CHECK_OK(c, get(c, "w/x/to", 0, UINT64_MAX, &k, &e));
	CHECK(c, k.got == 3000 && !k.wrong);
	CHECK_OK(c, put_plain(c, "w/from", 10, &e));
	CHECK_OK(c, mirror_copy(c->m, key_of(c, "w/from"), key_of(c, "w/x/to"), &e));
	CHECK_OK(c, get(c, "w/x/to", 0, UINT64_MAX, &again, &e));
	CHECK(c, again.got == 10);
	CHECK_ERR(c, ERR_NOT_FOUND,
		  mirror_copy(c->m, key_of(c, "w/none"), key_of(c, "w/x/to"), &e));
	return 0;
}

static int list_one(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct buf *b = ctx;
	const char *name = strstr(entry->key, "/l/");
	if (name && strcmp(name, "/l/stop") == 0)
		return err_set(e, ERR_FAULT, "seen enough");
	buf_addf(b, "%s=%llu ", name ? name + 3 : entry->key,
		 (unsigned long long)entry->stat.size);
	return 0;
}

static int list_is_sorted_and_whole(struct contract *c)
{
	static const char *const names[] = { "l/b", "l/a/z", "l/a.b", "l/a-b", "l/a/b/c", "m/a" };
	CLEANUP(buf_release) struct buf all = BUF_INIT(4096);
	CLEANUP(buf_release) struct buf some = BUF_INIT(4096);
	if (!(c->m->caps.can & MIRROR_CAN_LIST))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		CHECK_OK(c, put_plain(c, names[i], i, &e));
	CHECK_OK(c, mirror_list(c->m, key_of(c, "l/"), list_one, &all, &e));
	CHECK(c, strcmp(buf_str(&all), "a-b=3 a.b=2 a/b/c=4 a/z=1 b=0 ") == 0);
	CHECK_OK(c, mirror_list(c->m, key_of(c, "l/a/"), list_one, &some, &e));
	CHECK_OK(c, mirror_list(c->m, key_of(c, "l/a."), list_one, &some, &e));
	CHECK_OK(c, mirror_list(c->m, key_of(c, "none/"), list_one, &some, &e));
	CHECK(c, strcmp(buf_str(&some), "a/b/c=4 a/z=1 a.b=2 ") == 0);
	CHECK_OK(c, put_plain(c, "l/stop", 1, &e));
	CHECK_ERR(c, ERR_FAULT, mirror_list(c->m, key_of(c, "l/"), list_one, &some, &e));
	return 0;
}

static int remove_removes(struct contract *c)
{
	CHECK_OK(c, put_plain(c, "r/a/b/c", 5, &e));
	CHECK_OK(c, put_plain(c, "r/a/d", 5, &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "r/a/b/c"), &e));
	CHECK_ERR(c, ERR_NOT_FOUND, mirror_stat_key(c->m, key_of(c, "r/a/b/c"), NULL, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "r/a/d"), NULL, &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "r/a/b/c"), &e));
	CHECK_OK(c, mirror_remove(c->m, key_of(c, "r/none/none"), &e));
	CHECK_OK(c, put_plain(c, "r/a/b/c", 6, &e));
	CHECK_OK(c, mirror_stat_key(c->m, key_of(c, "r/a/b/c"), NULL, &e));
	return 0;
}

/* -- the list -------------------------------------------------------------------- */

#define TEST(needs_, fn) { .name = #fn, .needs = (needs_), .run = (fn) }
const struct contract_test contract_tests[] = {
	TEST(CONTRACT_READ, stat_tells_the_size),
	TEST(CONTRACT_READ, get_gives_the_whole),
	TEST(CONTRACT_READ, get_gives_ranges),
	TEST(CONTRACT_READ, a_range_past_the_end_is_refused),
	TEST(CONTRACT_READ, what_is_missing_is_not_found),
	TEST(CONTRACT_READ, what_is_no_key_is_refused),
	TEST(CONTRACT_READ, a_sink_can_stop_the_transfer),
	TEST(CONTRACT_READ, a_small_get_keeps_its_ceiling),
	TEST(CONTRACT_READ_ONLY, a_read_only_mirror_says_so),
	TEST(CONTRACT_WRITE, put_stores_and_tells),
	TEST(CONTRACT_WRITE, put_creates_only_if_absent),
	TEST(CONTRACT_WRITE, put_replaces_only_what_it_knows),
	TEST(CONTRACT_WRITE, put_refuses_other_bytes_than_announced),
	TEST(CONTRACT_WRITE, put_goes_on_after_a_failure),
	TEST(CONTRACT_WRITE, put_names_the_wrong_piece),
	TEST(CONTRACT_WRITE, copy_makes_a_second_object),
	TEST(CONTRACT_WRITE, list_is_sorted_and_whole),
	TEST(CONTRACT_WRITE, remove_removes),
};
const size_t contract_test_count = ARRAY_LEN(contract_tests);

bool contract_applies(const struct contract *c, const struct contract_test *test)
{
	return test->needs == CONTRACT_READ ||
	       (test->needs == CONTRACT_WRITE) == c->writable;
}

static int write_object(const char *dir, const struct object *o, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/" FIXED_PREFIX "%s", dir, o->name);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(o->size);
	struct source s = source_of(o->size);
	int rc = source_read(&s, 0, data, o->size, e);
	if (rc == 0)
		rc = file_mkdirs_for(path, 0755, e);
	return rc < 0 ? rc : file_write_atomic(path, data, o->size, 0644, e);
}

int contract_tree(const char *dir, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(objects) && rc == 0; i++)
		rc = write_object(dir, &objects[i], e);
	return rc;
}

int contract_begin(struct contract *c, struct mirror *m, struct err *e)
{
	*c = (struct contract){ .m = m, .prefix = FIXED_PREFIX };
	c->writable = m->caps.can & MIRROR_CAN_WRITE;
	if (!c->writable)
		return 0;
	snprintf(c->prefix, sizeof c->prefix, "contract-%ld/", (long)getpid());
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(objects) && rc == 0; i++)
		rc = put_plain(c, objects[i].name, objects[i].size, e);
	return rc;
}

static int add_key(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)e;
	str_list_add(ctx, entry->key);
	return 0;
}

int contract_end(struct contract *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	if (!c->writable)
		return 0;
	int rc = mirror_list(c->m, c->prefix, add_key, &keys, e);
	for (size_t i = 0; i < keys.count && rc == 0; i++)
		rc = mirror_remove(c->m, keys.at[i], e);
	return rc;
}
