/*
 * The binary interface of libferry.so.1 on LP64: what a program that was compiled with ferry.h has
 * in its code. It is compiled by tests/cli/test_libferry.py. If it does not compile, a change of
 * ferry.h breaks the programs of others: change the header back, or the soname.
 *
 * What is added to ferry.h (a member at the end of a struct, a value, a function) is added here.
 */
#include "ferry/ferry.h"

#define AT(type, member, offset) \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define ENDS(type, last) \
	_Static_assert(sizeof(struct type) == \
			       offsetof(struct type, last) + sizeof((struct type *)0)->last, \
		       #type)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

_Static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8 && sizeof(int) == 4, "LP64");

/* These do not grow. */
SIZE(ferry_error, 1552);
SIZE(ferry_repository, 32);

/* Where a struct that the caller fills in ends. There is no padding: a member that is added later
 * would be taken from it, and a program that was compiled before has not set it. */
ENDS(ferry_settings, memory);
ENDS(ferry_call, cancel);
ENDS(ferry_filter, fits);
ENDS(ferry_fetch_options, withdrawn);

AT(ferry_error, code, 0);
AT(ferry_error, system, 4);
AT(ferry_error, retry_after, 8);
AT(ferry_error, message, 16);
AT(ferry_error, hint, 1040);

AT(ferry_repository, name, 0);
AT(ferry_repository, urls, 8);
AT(ferry_repository, root, 16);
AT(ferry_repository, root_sha256, 24);

AT(ferry_settings, size, 0);
AT(ferry_settings, home, 8);
AT(ferry_settings, conf, 16);
AT(ferry_settings, repositories, 24);
AT(ferry_settings, repository_count, 32);
AT(ferry_settings, ca, 40);
AT(ferry_settings, limit_rate, 48);
AT(ferry_settings, max_memory, 56);
AT(ferry_settings, connections, 64);
AT(ferry_settings, offline, 68);
AT(ferry_settings, memory, 72);

AT(ferry_event, kind, 0);
AT(ferry_event, done, 8);
AT(ferry_event, total, 16);
AT(ferry_event, file, 24);
AT(ferry_event, text, 32);
AT(ferry_event, mirror, 40);
AT(ferry_event, bytes, 48);
AT(ferry_event, state, 56);

AT(ferry_call, size, 0);
AT(ferry_call, on_event, 8);
AT(ferry_call, ctx, 16);
AT(ferry_call, cancel, 24);

AT(ferry_variant, id, 0);
AT(ferry_variant, kind, 8);
AT(ferry_variant, quantization, 16);
AT(ferry_variant, size, 24);
AT(ferry_variant, memory, 32);
AT(ferry_variant, version, 40);
AT(ferry_variant, is_default, 48);
AT(ferry_variant, withdrawn, 49);
AT(ferry_variant, stored, 50);

AT(ferry_model, repository, 0);
AT(ferry_model, id, 8);
AT(ferry_model, title, 16);
AT(ferry_model, family, 24);
AT(ferry_model, license, 32);
AT(ferry_model, parameters, 40);
AT(ferry_model, context_length, 48);
AT(ferry_model, deprecated, 56);
AT(ferry_model, withdrawn, 57);
AT(ferry_model, replacement, 64);
AT(ferry_model, tags, 72);
AT(ferry_model, variants, 80);
AT(ferry_model, variant_count, 88);

AT(ferry_filter, size, 0);
AT(ferry_filter, words, 8);
AT(ferry_filter, pattern, 16);
AT(ferry_filter, license, 24);
AT(ferry_filter, family, 32);
AT(ferry_filter, kind, 40);
AT(ferry_filter, tags, 48);
AT(ferry_filter, max_size, 56);
AT(ferry_filter, fits, 64);

AT(ferry_file, name, 0);
AT(ferry_file, path, 8);
AT(ferry_file, sha256, 16);
AT(ferry_file, size, 24);
AT(ferry_file, role, 32);

AT(ferry_item, reference, 0);
AT(ferry_item, error, 8);
AT(ferry_item, repository, 16);
AT(ferry_item, model, 24);
AT(ferry_item, variant, 32);
AT(ferry_item, version, 40);
AT(ferry_item, kind, 48);
AT(ferry_item, size, 56);
AT(ferry_item, stored, 64);
AT(ferry_item, kept, 72);
AT(ferry_item, reused, 80);
AT(ferry_item, download, 88);
AT(ferry_item, fallback, 96);
AT(ferry_item, files, 104);
AT(ferry_item, file_count, 112);

AT(ferry_fetch_options, size, 0);
AT(ferry_fetch_options, check, 8);
AT(ferry_fetch_options, withdrawn, 12);

VALUE(FERRY_OK, 0);
VALUE(FERRY_USAGE, 2);
VALUE(FERRY_NOT_FOUND, 3);
VALUE(FERRY_NETWORK, 4);
VALUE(FERRY_AUTH, 5);
VALUE(FERRY_INTEGRITY, 6);
VALUE(FERRY_SYSTEM, 7);
VALUE(FERRY_CONFLICT, 8);
VALUE(FERRY_CANCELLED, 9);
VALUE(FERRY_BUG, 70);
VALUE(FERRY_EVENT_PROGRESS, 1);
VALUE(FERRY_EVENT_NOTE, 2);
VALUE(FERRY_EVENT_WARNING, 3);
VALUE(FERRY_EVENT_MIRROR, 4);

/* Another type is a conflict with the header. */
const char *ferry_version(void);
int ferry_open(const struct ferry_settings *settings, struct ferry **out,
	       struct ferry_error *error);
void ferry_close(struct ferry *f);
struct ferry_cancel *ferry_cancel_new(void);
void ferry_cancel_free(struct ferry_cancel *c);
void ferry_cancel_ask(struct ferry_cancel *c);
int ferry_list(struct ferry *f, const struct ferry_call *call, struct ferry_models **out,
	       struct ferry_error *error);
int ferry_search(struct ferry *f, const struct ferry_filter *filter, const struct ferry_call *call,
		 struct ferry_models **out, struct ferry_error *error);
size_t ferry_models_count(const struct ferry_models *m);
const struct ferry_model *ferry_models_at(const struct ferry_models *m, size_t i);
void ferry_models_free(struct ferry_models *m);
size_t ferry_result_count(const struct ferry_result *r);
const struct ferry_item *ferry_result_at(const struct ferry_result *r, size_t i);
void ferry_result_free(struct ferry_result *r);
int ferry_resolve(struct ferry *f, const char *const *references, size_t count,
		  const struct ferry_call *call, struct ferry_result **out,
		  struct ferry_error *error);
int ferry_plan(struct ferry *f, const char *const *references, size_t count,
	       const struct ferry_fetch_options *options, const struct ferry_call *call,
	       struct ferry_result **out, struct ferry_error *error);
int ferry_fetch(struct ferry *f, const char *const *references, size_t count,
		const struct ferry_fetch_options *options, const struct ferry_call *call,
		struct ferry_result **out, struct ferry_error *error);
int ferry_stored(struct ferry *f, const char *reference, struct ferry_result **out,
		 struct ferry_error *error);
