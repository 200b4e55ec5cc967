#include "serve/accept.h"

#include "unit.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/os.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 40
#define DAEMONS 2

struct fixture {
	int fd;
	struct sockaddr_in address;
	struct MHD_Daemon *daemons[DAEMONS];
	atomic_uint connections, begun, of[DAEMONS];
	int clients[CLIENTS];
	struct accept *accept;
	pthread_mutex_t busy; /* held: the daemons' threads do nothing */
};
static struct fixture f;

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **request)
{
	(void)ctx;
	(void)connection;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	(void)size;
	(void)request;
	return MHD_NO;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **of_socket,
			  enum MHD_ConnectionNotificationCode what)
{
	atomic_uint *mine = ctx;
	(void)connection;
	(void)of_socket;
	pthread_mutex_lock(&f.busy);
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		atomic_fetch_add(mine, 1);
		atomic_fetch_add(&f.connections, 1);
		atomic_fetch_add(&f.begun, 1);
	} else {
		atomic_fetch_sub(&f.connections, 1);
	}
	pthread_mutex_unlock(&f.busy);
}

static void begin(unsigned most)
{
	struct err e = ERR_INIT;
	socklen_t len = sizeof f.address;
	f = (struct fixture){ .address = { .sin_family = AF_INET } };
	f.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pthread_mutex_init(&f.busy, NULL);
	f.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f.fd, (struct sockaddr *)&f.address, len), 0);
	assert_int_equal(listen(f.fd, CLIENTS), 0);
	assert_int_equal(getsockname(f.fd, (struct sockaddr *)&f.address, &len), 0);
	for (size_t i = 0; i < DAEMONS; i++) {
		f.daemons[i] =
			MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET,
					 0, NULL, NULL, answer, NULL, MHD_OPTION_NOTIFY_CONNECTION,
					 on_connection, &f.of[i], MHD_OPTION_END);
		assert_non_null(f.daemons[i]);
	}
	const struct accept_options o = {
		f.fd, f.daemons, DAEMONS, &f.connections, most, &f.begun
	};
	assert_int_equal(accept_begin(&o, &f.accept, &e), 0);
}

static void end(void)
{
	accept_end(f.accept);
	for (size_t i = 0; i < DAEMONS; i++)
		MHD_stop_daemon(f.daemons[i]);
	for (size_t i = 0; i < CLIENTS; i++)
		if (f.clients[i])
			file_close(&f.clients[i]);
	file_close(&f.fd);
	pthread_mutex_destroy(&f.busy);
}

static void call(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		f.clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(f.clients[i], (struct sockaddr *)&f.address,
					 sizeof f.address),
				 0);
	}
}

static void wait_a_moment(void)
{
	struct err e = ERR_INIT;
	assert_int_equal(clock_sleep_ms(NULL, 1, NULL, &e), 0);
}

/* Has the kernel a connection that nobody took? */
static bool queue_is_empty(void)
{
	struct sockaddr_storage other;
	unsigned len;
	int fd = os_accept(f.fd, &other, &len);
	bool empty = fd < 0;
	file_close(&fd);
	return empty;
}

static size_t open_files(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 1000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void connections_are_taken_while_the_threads_are_busy(void **state)
{
	(void)state;
	begin(1000);
	pthread_mutex_lock(&f.busy);
	size_t before = open_files();
	call(0, CLIENTS);
	while (open_files() < before + 2 * (size_t)CLIENTS)
		wait_a_moment();
	assert_int_equal(atomic_load(&f.connections), 0);
	pthread_mutex_unlock(&f.busy);
	end();
}

static void connections_are_shared_evenly(void **state)
{
	(void)state;
	begin(1000);
	call(0, CLIENTS);
	while (atomic_load(&f.connections) < CLIENTS)
		wait_a_moment();
	assert_int_equal(atomic_load(&f.of[0]), CLIENTS / 2);
	assert_int_equal(atomic_load(&f.of[1]), CLIENTS / 2);
	end();
}

static void more_than_the_most_wait_until_others_leave(void **state)
{
	(void)state;
	begin(2);
	call(0, 1);
	while (atomic_load(&f.connections) < 1)
		wait_a_moment();
	call(1, 1);
	while (atomic_load(&f.connections) < 2)
		wait_a_moment();
	call(2, 1);
	for (int i = 0; i < 20; i++) {
		wait_a_moment();
		assert_int_equal(atomic_load(&f.connections), 2);
	}
	file_close(&f.clients[0]);
	while (atomic_load(&f.of[0]) + atomic_load(&f.of[1]) < 3)
		wait_a_moment();
	end();
}

static void what_was_taken_has_begun_at_the_end(void **state)
{
	(void)state;
	begin(1000);
	size_t before = open_files();
	pthread_mutex_lock(&f.busy);
	call(0, CLIENTS);
	while (open_files() < before + 2 * (size_t)CLIENTS)
		wait_a_moment();
	pthread_mutex_unlock(&f.busy);
	accept_end(f.accept);
	f.accept = NULL;
	assert_int_equal(atomic_load(&f.begun), CLIENTS);
	end();
}

static void after_the_end_connections_stay_in_the_queue(void **state)
{
	(void)state;
	begin(1000);
	accept_end(f.accept);
	f.accept = NULL;
	call(0, 1);
	assert_false(queue_is_empty());
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_taken_while_the_threads_are_busy),
		cmocka_unit_test(connections_are_shared_evenly),
		cmocka_unit_test(more_than_the_most_wait_until_others_leave),
		cmocka_unit_test(what_was_taken_has_begun_at_the_end),
		cmocka_unit_test(after_the_end_connections_stay_in_the_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
