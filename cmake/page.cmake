# Embeds the page of the workers as C strings: generated/page_{html,css,js}.h
set(page_outs)
foreach(kind html css js)
	set(page_in ${CMAKE_SOURCE_DIR}/amps-worker/page/page.${kind})
	set(page_out ${CMAKE_BINARY_DIR}/generated/page_${kind}.h)
	string(TOUPPER PAGE_${kind} page_name)
	add_custom_command(OUTPUT ${page_out}
		COMMAND ${CMAKE_COMMAND} -DIN=${page_in} -DOUT=${page_out} -DNAME=${page_name} -P
			${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
		DEPENDS ${page_in} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake)
	list(APPEND page_outs ${page_out})
endforeach()
add_custom_target(amps_page DEPENDS ${page_outs})
