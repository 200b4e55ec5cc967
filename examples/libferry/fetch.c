/*
 * Fetches a model and prints the path of each of its files. Also valid C++.
 *
 *     cc fetch.c $(pkg-config --cflags --libs libferry) -o fetch
 *     ./fetch STORE URL ROOT-SHA256 MODEL
 */
#include <ferry.h>
#include <signal.h>
#include <stdio.h>

static struct ferry_cancel *stop;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	ferry_cancel_ask(stop);
}

static void on_event(void *ctx, const struct ferry_event *event)
{
	(void)ctx;
	if (event->kind == FERRY_EVENT_PROGRESS && event->total)
		fprintf(stderr, "\r%3.0f %%", 100.0 * (double)event->done / (double)event->total);
	if (event->kind == FERRY_EVENT_WARNING)
		fprintf(stderr, "\rwarning: %s\n", event->text);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return fprintf(stderr, "usage: fetch STORE URL ROOT-SHA256 MODEL\n"), FERRY_USAGE;
	const char *urls[] = { argv[2], NULL }, *models[] = { argv[4] };
	struct ferry_repository repository = { "example", urls, NULL, argv[3] };
	struct ferry_settings settings = FERRY_SETTINGS_INIT;
	settings.home = argv[1];
	settings.repositories = &repository;
	settings.repository_count = 1;
	struct ferry_call call = FERRY_CALL_INIT;
	call.on_event = on_event;
	call.cancel = stop = ferry_cancel_new();
	signal(SIGINT, on_interrupt);

	struct ferry *f = NULL;
	struct ferry_result *result = NULL;
	struct ferry_error error;
	int rc = ferry_open(&settings, &f, &error);
	if (rc == 0)
		rc = ferry_fetch(f, models, 1, NULL, &call, &result, &error);
	if (rc < 0)
		fprintf(stderr, "\nfetch: %s\n%s%s", error.message, error.hint,
			error.hint[0] ? "\n" : "");
	for (size_t i = 0; rc == 0 && i < ferry_result_at(result, 0)->file_count; i++)
		printf("%s\n", ferry_result_at(result, 0)->files[i]->path);
	ferry_result_free(result);
	ferry_close(f);
	ferry_cancel_free(stop);
	return -rc;
}
