#include "serve/cache/peers_srv.h"

#include "serve/cache/peers.h"
#include "util/mem.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#define ANSWER_MAX 16384
#define HEADER 12       /* RFC 1035, 4.1.1 */
#define SRV_FIXED 6     /* priority, weight, port */
#define RECORD_FIXED 10 /* type, class, time to live, length */

/* -- the answer (RFC 1035, 4.1) ---------------------------------------------------------------- */

struct message {
	const unsigned char *data, *end, *at;
};

static unsigned number(struct message *m)
{
	unsigned n = (unsigned)m->at[0] << 8 | m->at[1];
	m->at += 2;
	return n;
}

static bool has(const struct message *m, size_t bytes)
{
	return (size_t)(m->end - m->at) >= bytes;
}

/* Reads a name, and steps over it. */
static bool read_name(struct message *m, char name[NS_MAXDNAME])
{
	int n = m->at < m->end ? dn_expand(m->data, m->end, m->at, name, NS_MAXDNAME) : -1;
	m->at += n > 0 ? n : 0;
	return n > 0;
}

/* Letters, digits, '-' and '.' of a host name: it becomes part of a URL. */
static bool is_host(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";
	return name[0] && name[0] != '.' && strspn(name, allowed) == strlen(name);
}

static void add_record(struct message m, struct str_list *out)
{
	char host[NS_MAXDNAME];
	m.at += 4;
	unsigned port = number(&m);
	if (!port || out->count == PEERS_MAX || !read_name(&m, host) || !is_host(host))
		return;
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s://%s:%u", port == 443 ? "https" : "http",
						     host, port);
	str_list_add(out, url);
}

static bool read_record(struct message *m, struct str_list *out)
{
	char ignored[NS_MAXDNAME];
	if (!read_name(m, ignored) || !has(m, RECORD_FIXED))
		return false;
	unsigned type = number(m);
	m->at += 6;
	unsigned length = number(m);
	if (!has(m, length))
		return false;
	if (type == ns_t_srv && length > SRV_FIXED)
		add_record(*m, out);
	m->at += length;
	return true;
}

static bool read_all(struct message *m, struct str_list *out)
{
	char ignored[NS_MAXDNAME];
	if (!has(m, HEADER))
		return false;
	m->at += 4;
	unsigned questions = number(m), answers = number(m);
	m->at += 4;
	for (; questions; questions--) {
		if (!read_name(m, ignored) || !has(m, 4))
			return false;
		m->at += 4;
	}
	for (; answers; answers--)
		if (!read_record(m, out))
			return false;
	return true;
}

int peers_srv_parse(const unsigned char *answer, size_t len, struct str_list *out, struct err *e)
{
	struct message m = { answer, answer + len, answer };
	return read_all(&m, out)
		       ? 0
		       : err_set(e, ERR_INTEGRITY, "the answer of the DNS server is malformed");
}

/* -- asking ------------------------------------------------------------------------------------ */

int peers_srv_ask(const char *name, struct str_list *out, struct err *e)
{
	CLEANUP(mem_free_ptr) unsigned char *answer = mem_alloc(ANSWER_MAX);
	struct __res_state state;
	memset(&state, 0, sizeof state);
	if (res_ninit(&state) < 0)
		return err_set(e, ERR_NETWORK, "%s: the system's resolver does not work", name);
	state.retrans = 2;
	state.retry = 2;
	int len = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, ANSWER_MAX);
	res_nclose(&state);
	if (len < 0)
		return err_set(e, ERR_NETWORK, "DNS has no SRV records of %s, or does not answer",
			       name);
	return peers_srv_parse(answer, (size_t)MIN(len, ANSWER_MAX), out, e);
}
