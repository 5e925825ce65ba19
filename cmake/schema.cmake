# Embeds schema.sql, the only DDL, as a C string: generated/schema_sql.h
set(schema_in ${CMAKE_SOURCE_DIR}/schema.sql)
set(schema_out ${CMAKE_BINARY_DIR}/generated/schema_sql.h)
add_custom_command(OUTPUT ${schema_out}
	COMMAND ${CMAKE_COMMAND} -DIN=${schema_in} -DOUT=${schema_out} -P
		${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
	DEPENDS ${schema_in} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake)
add_custom_target(amps_schema DEPENDS ${schema_out})
