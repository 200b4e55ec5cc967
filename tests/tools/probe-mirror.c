/*
 * Probes one mirror once:
 *   probe-mirror [OPTION…] URL
 *   probe-mirror [OPTION…] CONF SECTION      [mirror.SECTION] of a configuration file
 * --tree DIR: the newest release; --deadline MS; --objects N; --state FILE: what was found is read
 * from it and written to it; --cors; --cache-control. Prints a JSON object.
 */
#include "health/probe.h"
#include "json/json.h"
#include "publish/tree_pack.h"
#include "util/file.h"
#include "util/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct job {
	struct probe_options options;
	struct mirror *m;
	struct tree tree;
	struct probe_state state;
	struct deadline deadline;
	const char *dir, *state_file;
	uint64_t deadline_ms;
};

static int usage(struct err *e)
{
	return err_set(e, ERR_USAGE, "usage: probe-mirror [OPTION...] URL | CONF SECTION");
}

static int read_options(int argc, char **argv, struct job *j, struct err *e)
{
	static const struct option known[] = {
		{ "tree", required_argument, NULL, 't' },
		{ "deadline", required_argument, NULL, 'd' },
		{ "objects", required_argument, NULL, 'o' },
		{ "state", required_argument, NULL, 's' },
		{ "cors", no_argument, NULL, 'c' },
		{ "cache-control", no_argument, NULL, 'a' },
		{ 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		bool ok = true;
		if (c == 't')
			j->dir = optarg;
		else if (c == 's')
			j->state_file = optarg;
		else if (c == 'd')
			ok = parse_u64(optarg, &j->deadline_ms);
		else if (c == 'o')
			ok = parse_u64(optarg, &j->options.objects);
		else if (c == 'c')
			j->options.cors = true;
		else if (c == 'a')
			j->options.cache_control = PROBE_YES;
		if (!ok || c == '?')
			return usage(e);
	}
	return 0;
}

static int open_mirror(int argc, char **argv, struct job *j, struct err *e)
{
	const struct mirror_env env = { .cancel = &j->deadline.cancel };
	if (argc == 1)
		return mirror_open_url(mirror_kinds_all, &env, "url", argv[0], &j->m, e);
	if (argc != 2)
		return usage(e);
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(settings_mirrors_release) struct settings_mirrors all = { 0 };
	int rc = conf_load(argv[0], true, &c, e);
	if (rc == 0)
		rc = settings_mirrors_read(&c, NULL, kinds, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++)
		if (strcmp(all.at[i].id, argv[1]) == 0)
			return mirror_open(mirror_kinds_all, &env, &all.at[i], &j->m, e);
	return rc < 0 ? rc : err_set(e, ERR_NOT_FOUND, "no [mirror.%s] in %s", argv[1], argv[0]);
}

static int read_state(struct job *j, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MIB);
	if (!j->state_file)
		return 0;
	int rc = file_read_all(j->state_file, &bytes, e);
	if (rc == -ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	return rc < 0 ? rc : probe_state_parse(bytes.data, bytes.len, &j->state, e);
}

static int write_state(const struct job *j)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MIB);
	if (!j->state_file)
		return 0;
	probe_state_encode(&j->state, &bytes);
	FILE *f = fopen(j->state_file, "wb");
	bool ok = f && fwrite(bytes.data, 1, bytes.len, f) == bytes.len;
	return (f && fclose(f) != 0) || !ok ? -ERR_SYSTEM : 0;
}

static json_t *as_json(const struct probe *p, uint64_t took_us)
{
	json_t *o = json_object(), *findings = json_object();
	for (size_t i = 0; i < p->findings.count; i++) {
		const struct health_finding *f = &p->findings.at[i];
		json_object_set_new(findings, health_check_name(f->check),
				    json_pack("[ss]", health_state_name(f->state), f->reason));
	}
	json_object_set_new(o, "findings", findings);
	json_object_set_new(o, "up", json_boolean(p->up));
	json_object_set_new(o, "version", json_integer((json_int_t)p->version));
	json_object_set_new(o, "lag", json_integer((json_int_t)p->lag));
	json_object_set_new(o, "clock_skew_s", json_integer(p->clock_skew_s));
	json_object_set_new(o, "certificate_expires_s", json_integer(p->certificate_expires_s));
	json_object_set_new(o, "objects", json_integer((json_int_t)p->objects));
	json_object_set_new(o, "checked", json_integer((json_int_t)p->objects_checked));
	json_object_set_new(o, "missing", json_integer((json_int_t)p->objects_missing));
	json_object_set_new(o, "quota_left",
			    p->has_quota ? json_integer((json_int_t)p->quota_left) : json_null());
	json_object_set_new(o, "resolve_us", json_integer((json_int_t)p->times.resolve));
	json_object_set_new(o, "connect_us", json_integer((json_int_t)p->times.connect));
	json_object_set_new(o, "tls_us", json_integer((json_int_t)p->times.tls));
	json_object_set_new(o, "first_byte_us", json_integer((json_int_t)p->times.first_byte));
	json_object_set_new(o, "total_us", json_integer((json_int_t)p->times.total));
	json_object_set_new(o, "took_us", json_integer((json_int_t)took_us));
	return o;
}

static int run(struct job *j, struct err *e)
{
	CLEANUP(probe_release) struct probe p = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct probe_subject s = {
		.release = j->dir ? &j->tree : NULL,
		.state = &j->state,
		.deadline = &j->deadline,
	};
	uint64_t from_us = clock_now_us(NULL);
	deadline_start(&j->deadline, j->deadline_ms, NULL, NULL);
	int rc = probe_mirror(&s, j->m, &j->options, &p, e);
	if (rc == 0)
		rc = write_state(j);
	json_t *o = as_json(&p, clock_now_us(NULL) - from_us);
	if (rc == 0)
		rc = json_pretty(o, &text, e);
	json_decref(o);
	if (rc == 0)
		fputs(buf_str(&text), stdout);
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct job j = { .options = PROBE_OPTIONS };
	int rc = read_options(argc, argv, &j, &e);
	if (rc == 0)
		rc = open_mirror(argc - optind, argv + optind, &j, &e);
	if (rc == 0)
		rc = read_state(&j, &e);
	if (rc == 0 && j.dir)
		rc = tree_open(j.dir, &j.tree, &e);
	if (rc == 0 && j.dir)
		rc = tree_pack_for(&j.tree, j.m, &e);
	if (rc == 0)
		rc = run(&j, &e);
	if (j.m)
		mirror_close(j.m);
	tree_release(&j.tree);
	probe_state_release(&j.state);
	if (rc < 0)
		fprintf(stderr, "probe-mirror: %s\n", e.text);
	return -rc;
}
