/*
 * Uses ferry.h from several threads, for the tests of libferry:
 *
 *   ferry-at-once FOLDER URL-1 DIGEST-1 MODEL-1 URL-2 DIGEST-2 MODEL-2
 *
 * fetches both models at once, each by a handle with a store of its own, cancels both in the
 * middle, and fetches them again; then several threads use one handle at once. Prints one line for
 * each step, and ends with 1 if something is not as it should be.
 */
#include "ferry/ferry.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define ENOUGH (25 * MIB) /* three pieces are whole then, and the first was written long ago */
#define THREADS 4

static void fail(const char *what, const struct ferry_error *error)
{
	printf("%s: %d %s\n", what, error ? error->code : 0, error ? error->message : "");
	exit(1);
}

struct party {
	const char *folder, *url, *digest, *model;
	char home[4096];
	struct ferry *ferry;
	struct ferry_cancel *cancel;
	bool stops;
	uint64_t done, kept, download;
	int code;
};

static void open_it(struct party *p, int number)
{
	const char *urls[] = { p->url, NULL };
	const struct ferry_repository repository = { "r", urls, NULL, p->digest };
	struct ferry_settings settings = FERRY_SETTINGS_INIT;
	struct ferry_error error;
	snprintf(p->home, sizeof p->home, "%s/%d", p->folder, number);
	settings.home = p->home;
	settings.repositories = &repository;
	settings.repository_count = 1;
	settings.connections = 1;
	settings.limit_rate = 32 * MIB;
	if (ferry_open(&settings, &p->ferry, &error) < 0)
		fail("open", &error);
}

static void on_event(void *ctx, const struct ferry_event *event)
{
	struct party *p = ctx;
	if (event->kind != FERRY_EVENT_PROGRESS)
		return;
	p->done = event->done;
	if (p->stops && p->done >= ENOUGH)
		ferry_cancel_ask(p->cancel);
}

static void *fetch(void *ctx)
{
	struct party *p = ctx;
	const char *references[] = { p->model };
	struct ferry_result *result = NULL;
	struct ferry_error error = { 0 };
	struct ferry_call call = FERRY_CALL_INIT;
	call.on_event = on_event;
	call.ctx = p;
	call.cancel = p->cancel = ferry_cancel_new();
	p->code = ferry_fetch(p->ferry, references, 1, NULL, &call, &result, &error);
	if (p->code != 0 && p->code != -FERRY_CANCELLED)
		fail("fetch", &error);
	if (p->code == 0) {
		p->kept = ferry_result_at(result, 0)->kept;
		p->download = ferry_result_at(result, 0)->download;
	}
	ferry_result_free(result);
	ferry_cancel_free(p->cancel);
	return NULL;
}

static void fetch_both(struct party *both, bool stops, int code)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) {
		both[i].stops = stops;
		pthread_create(&threads[i], NULL, fetch, &both[i]);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		if (both[i].code != code)
			fail("both: another code", NULL);
	}
}

/* ---- one handle ---- */

static void *use(void *ctx)
{
	const struct party *p = ctx;
	const char *references[] = { p->model, "nothing" };
	struct ferry_models *models;
	struct ferry_result *result;
	struct ferry_error error;
	if (ferry_list(p->ferry, NULL, &models, &error) < 0)
		fail("list", &error);
	if (ferry_models_count(models) != 1)
		fail("list: another number", NULL);
	ferry_models_free(models);
	int rc = ferry_fetch(p->ferry, references, 2, NULL, NULL, &result, &error);
	if (rc != -FERRY_NOT_FOUND || ferry_result_count(result) != 2 ||
	    ferry_result_at(result, 0)->error || !ferry_result_at(result, 1)->error)
		fail("one handle", &error);
	ferry_result_free(result);
	if (ferry_stored(p->ferry, p->model, &result, &error) < 0)
		fail("stored", &error);
	ferry_result_free(result);
	return NULL;
}

static void use_one(struct party *p)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, use, p);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static size_t open_files(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

struct surroundings {
	size_t files;
	void (*handlers[32])(int);
};

static struct surroundings look_around(void)
{
	struct surroundings s = { .files = open_files() };
	struct sigaction action;
	for (int number = 1; number < 32; number++)
		if (sigaction(number, NULL, &action) == 0)
			s.handlers[number] = action.sa_handler;
	return s;
}

static void compare_surroundings(const struct surroundings *before)
{
	struct surroundings now = look_around();
	if (memcmp(now.handlers, before->handlers, sizeof now.handlers) != 0)
		fail("a signal has another handler", NULL);
	if (now.files != before->files)
		fail("files are left open", NULL);
}

int main(int argc, char **argv)
{
	struct party both[2];
	memset(both, 0, sizeof both);
	if (argc != 8)
		return 2;
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 2; i++) {
		both[i].folder = argv[1];
		both[i].url = argv[2 + 3 * i];
		both[i].digest = argv[3 + 3 * i];
		both[i].model = argv[4 + 3 * i];
	}
	const struct surroundings before = look_around();
	for (int i = 0; i < 2; i++)
		open_it(&both[i], i);
	fetch_both(both, true, -FERRY_CANCELLED);
	printf("cancelled\n");
	fetch_both(both, false, 0);
	for (int i = 0; i < 2; i++)
		if (both[i].kept < 8 * MIB || !both[i].download)
			fail("nothing was kept", NULL);
	printf("resumed\n");
	ferry_close(both[0].ferry);
	open_it(&both[0], 2); /* an empty store */
	use_one(&both[0]);
	printf("one handle\n");
	for (int i = 0; i < 2; i++)
		ferry_close(both[i].ferry);
	compare_surroundings(&before);
	return 0;
}
