# Writes the text file IN as the C string constant NAME (SCHEMA_SQL if not said) into OUT.
if(NOT NAME)
	set(NAME SCHEMA_SQL)
endif()
file(READ ${IN} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n\t\"" text "${text}")
file(WRITE ${OUT} "static const char ${NAME}[] =\n\t\"${text}\";\n")
