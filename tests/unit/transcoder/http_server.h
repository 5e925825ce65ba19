/* http_server.h - a small HTTP server for tests: one answer, then it closes (or just stops sending)
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "unit.h"

struct server {
	int fd;
	in_port_t port;
	pthread_t thread;
	const char *path;
	bool length, stop;
};

static inline void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL), file = open(s->path, O_RDONLY);
	char head[1024];
	static char body[4 << 20];
	ssize_t n = read(file, body, sizeof(body));

	if (read(fd, head, sizeof(head)) > 0) {
		dprintf(fd, "HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n");
		if (s->length)
			dprintf(fd, "Content-Length: %zd\r\n", n);
		dprintf(fd, "\r\n");
		n = write(fd, body, (size_t)n);
	}
	while (s->stop && read(fd, head, sizeof(head)) > 0)
		;
	close(file);
	close(fd);
	return NULL;
}

static inline const char *serve_file(struct server *s, const char *path, bool length, bool stop)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	static char url[128];

	*s = (struct server){.path = path, .length = length, .stop = stop};
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(s->fd, 5), 0);
	cr_assert_eq(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
	snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%d/a.%s?token=secret",
		 ntohs(a.sin_port), strstr(path, ".m3u8") ? "m3u8" : "ts");
	return url;
}

#endif
