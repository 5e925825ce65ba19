# Embeds the texts of the workers as C strings: generated/page_watch_js.h defines WATCH_JS, and so on.
# generated/page_files.h lists the style and the scripts of the page: a new one needs no further line.
file(GLOB page_parts RELATIVE ${CMAKE_SOURCE_DIR}/amps-worker CONFIGURE_DEPENDS
	${CMAKE_SOURCE_DIR}/amps-worker/page/*.js ${CMAKE_SOURCE_DIR}/amps-worker/page/*.css)
set(page_includes "#include \"page_page_html.h\"\n")
set(page_rows)
set(page_outs)
foreach(file page/page.html api/openapi.json ${page_parts})
	get_filename_component(page_name ${file} NAME)
	string(REPLACE "." "_" page_symbol ${page_name})
	set(page_in ${CMAKE_SOURCE_DIR}/amps-worker/${file})
	set(page_out ${CMAKE_BINARY_DIR}/generated/page_${page_symbol}.h)
	string(TOUPPER ${page_symbol} page_constant)
	add_custom_command(OUTPUT ${page_out}
		COMMAND ${CMAKE_COMMAND} -DIN=${page_in} -DOUT=${page_out} -DNAME=${page_constant} -P
			${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
		DEPENDS ${page_in} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake)
	list(APPEND page_outs ${page_out})
	if(file IN_LIST page_parts)
		string(REGEX REPLACE ".*_" "" page_type ${page_symbol})
		string(REPLACE "js" "javascript" page_type ${page_type})
		string(APPEND page_includes "#include \"page_${page_symbol}.h\"\n")
		string(APPEND page_rows
			"\t{\"${page_name}\", \"text/${page_type}; charset=utf-8\", ${page_constant}},\n")
	endif()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/page_files.h @ONLY CONTENT
"@page_includes@\nstruct page_file {\n\tconst char *name, *type, *text;\n};\n
static const struct page_file page_files[] = {\n@page_rows@};\n")
add_custom_target(amps_page DEPENDS ${page_outs})
