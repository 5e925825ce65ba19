#include "amps-cli/command.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "common/text/text.h"

static const struct command *const commands[] = {
#define C(name) &cmd_##name,
	COMMANDS(C)
#undef C
};

static bool needs_operand(const struct command *command)
{
	return command->operand != NULL && command->operand[0] != '[';
}

static size_t option_count(const struct command *command)
{
	size_t n = 0;

	while (n < COMMAND_OPTIONS_MAX && command->options[n].name != NULL)
		n++;
	return n;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < array_size(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

const char *command_value(const struct command_call *call, const char *option)
{
	size_t i = 0;

	while (i < option_count(call->command) &&
	       strcmp(call->command->options[i].name, option) != 0)
		i++;
	/* a misspelt name would always read as "not given" */
	assert(i < option_count(call->command));
	return call->values[i];
}

static void print_usage(FILE *out, const struct command *command)
{
	fprintf(out, "usage: amps %s", command->name);
	if (command->operand != NULL)
		fprintf(out, " %s", command->operand);
	for (size_t i = 0; i < option_count(command); i++) {
		const struct command_option *option = &command->options[i];

		fprintf(out, option->value != NULL ? " [--%s %s]" : " [--%s]", option->name,
			option->value);
	}
	fputc('\n', out);
}

static void print_command_help(const struct command *command)
{
	print_usage(stdout, command);
	printf("\n%s.\n", command->summary);
	if (command->detail != NULL)
		printf("%s\n", command->detail);
	printf("\noptions:\n");
	for (size_t i = 0; i < option_count(command); i++) {
		const struct command_option *option = &command->options[i];
		char left[48];
		int n = snprintf(left, sizeof(left), "--%s%s%s", option->name,
				 option->value != NULL ? " " : "",
				 option->value != NULL ? option->value : "");

		assert(n > 0 && (size_t)n < sizeof(left));
		printf("  %-20s  %s\n", left, option->help);
	}
	printf("  %-20s  %s\n", "--help", "print this");
}

static void print_help(void)
{
	printf("usage: amps COMMAND [OPTION]...\n\n"
	       "Amps serves television channels to players, browsers and set-top boxes.\n\n"
	       "commands:\n");
	for (size_t i = 0; i < array_size(commands); i++)
		printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	printf("\noptions:\n"
	       "  --help      print this; `amps COMMAND --help` for more\n"
	       "  --version   print the version\n\n"
	       "exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server at that socket\n");
}

static int usage_error(const struct command *command, const char *what, const char *word)
{
	fprintf(stderr, "amps %s: %s%s%s\n", command->name, what, word != NULL ? ": " : "",
		word != NULL ? word : "");
	print_usage(stderr, command);
	return -EINVAL;
}

/* Takes the option argv[*at] and its value, "--name value" or "--name=value". */
static int parse_option(struct command_call *call, int argc, char *argv[], int *at)
{
	const struct command *command = call->command;
	const char *word = argv[*at] + 2;
	size_t len = strcspn(word, "=");

	assert(*at < argc && strncmp(argv[*at], "--", 2) == 0);
	for (size_t i = 0; i < option_count(command); i++) {
		const struct command_option *option = &command->options[i];

		if (strlen(option->name) != len || strncmp(option->name, word, len) != 0)
			continue;
		if (option->value == NULL && word[len] == '=')
			return usage_error(command, "this option takes no value", argv[*at]);
		if (option->value == NULL)
			call->values[i] = "";
		else if (word[len] == '=')
			call->values[i] = word + len + 1;
		else if (*at + 1 < argc)
			call->values[i] = argv[++*at];
		else
			return usage_error(command, "this option needs a value", argv[*at]);
		return 0;
	}
	return usage_error(command, "unknown option", argv[*at]);
}

static int parse_operand(struct command_call *call, const char *word)
{
	if (call->command->operand != NULL && call->operand == NULL)
		call->operand = word;
	else if (call->command->two && call->second == NULL)
		call->second = word;
	else
		return usage_error(call->command, "unexpected argument", word);
	return 0;
}

/* 0, 1 when help is wanted, or -EINVAL with the error printed. */
static int parse_call(struct command_call *call, int argc, char *argv[])
{
	bool options_end = false;

	for (int i = 0; i < argc; i++) {
		int r;

		if (!options_end && strcmp(argv[i], "--") == 0) {
			options_end = true;
			continue;
		}
		if (!options_end && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
			return 1;
		if (!options_end && strncmp(argv[i], "--", 2) == 0)
			r = parse_option(call, argc, argv, &i);
		else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0')
			r = usage_error(call->command, "unknown option", argv[i]);
		else
			r = parse_operand(call, argv[i]);
		if (r < 0)
			return r;
	}
	if (needs_operand(call->command) && call->operand == NULL)
		return usage_error(call->command, "missing argument", call->command->operand);
	return 0;
}

static int unknown_command(const char *name)
{
	const char *names[array_size(commands)];
	const char *near;

	for (size_t i = 0; i < array_size(commands); i++)
		names[i] = commands[i]->name;
	near = text_suggest(name, names, array_size(names));
	fprintf(stderr, "amps: unknown command: %s", name);
	if (near != NULL)
		fprintf(stderr, " (did you mean %s?)", near);
	fprintf(stderr, "\nSee `amps --help`.\n");
	return COMMAND_USAGE;
}

int command_main(int argc, char *argv[])
{
	struct command_call call = {0};
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: amps COMMAND [OPTION]...\nSee `amps --help`.\n");
		return COMMAND_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return COMMAND_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("amps %s\n", AMPS_VERSION);
		return COMMAND_DONE;
	}
	call.command = find_command(argv[1]);
	if (call.command == NULL)
		return unknown_command(argv[1]);
	r = parse_call(&call, argc - 2, argv + 2);
	if (r < 0)
		return COMMAND_USAGE;
	if (r > 0) {
		print_command_help(call.command);
		return COMMAND_DONE;
	}
	assert(call.operand != NULL || !needs_operand(call.command));
	return call.command->run(&call);
}
