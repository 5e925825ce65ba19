# Writes the text file IN as the C string constant SCHEMA_SQL into OUT.
file(READ ${IN} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n\t\"" text "${text}")
file(WRITE ${OUT} "static const char SCHEMA_SQL[] =\n\t\"${text}\";\n")
