#include "amps-transcoder/source/tls.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/opt.h>

/* Where distributions keep the authorities they trust: Debian, Fedora, SUSE. */
static const char *const authorities[] = {"/etc/ssl/certs/ca-certificates.crt",
					  "/etc/pki/tls/certs/ca-bundle.crt",
					  "/etc/ssl/ca-bundle.pem"};

static const char *const file_options[] = {"ca_file", "cafile",	  "cert_file",
					   "cert",    "key_file", "key"};

bool source_tls_names_file(const char *option)
{
	for (size_t i = 0; i < array_size(file_options); i++)
		if (!strcmp(option, file_options[i]))
			return true;
	return false;
}

/* Global because the overridden function has no context. */
static AVDictionary *policy;

static void copy_option(AVDictionary **d, const AVDictionary *from, const char *name)
{
	const AVDictionaryEntry *e = av_dict_get(from, name, NULL, 0);

	if (e)
		av_dict_set(d, name, e->value, 0);
}

void source_tls_set(const AVDictionary *operators)
{
	source_tls_clear();
	for (size_t i = 0; i < array_size(file_options); i++)
		copy_option(&policy, operators, file_options[i]);
	av_dict_set(&policy, "tls_verify", "1", 0);
	copy_option(&policy, operators, "tls_verify");
	copy_option(&policy, operators, "verifyhost");
	for (size_t i = 0; i < array_size(authorities); i++)
		if (!av_dict_get(policy, "ca_file", NULL, 0) &&
		    !av_dict_get(policy, "cafile", NULL, 0) && access(authorities[i], R_OK) == 0)
			av_dict_set(&policy, "ca_file", authorities[i], 0);
}

void source_tls_clear(void)
{
	av_dict_free(&policy);
}

/* Overrides the function of libavutil; libavformat calls it for every protocol that it opens. */
void av_opt_set_defaults(void *object)
{
	static void (*real)(void *);
	const AVClass *class = *(const AVClass **)object;
	const AVDictionaryEntry *e = NULL;

	if (!real)
		*(void **)(&real) = dlsym(RTLD_NEXT, "av_opt_set_defaults");
	real(object);
	if (strcmp(class->class_name, "tls") != 0)
		return;
	while ((e = av_dict_get(policy, "", e, AV_DICT_IGNORE_SUFFIX)))
		av_opt_set(object, e->key, e->value, 0);
}
