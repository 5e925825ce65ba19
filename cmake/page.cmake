# Embeds the texts of the workers as C strings: generated/page_watch_js.h defines WATCH_JS, and so on
set(page_outs)
foreach(file page/page.html page/page.css page/page.js page/watch.html page/watch.js page/player.js
		page/live.js page/mp4.js page/lineup.js api/openapi.json)
	get_filename_component(page_name ${file} NAME)
	string(REPLACE "." "_" page_name ${page_name})
	set(page_in ${CMAKE_SOURCE_DIR}/amps-worker/${file})
	set(page_out ${CMAKE_BINARY_DIR}/generated/page_${page_name}.h)
	string(TOUPPER ${page_name} page_name)
	add_custom_command(OUTPUT ${page_out}
		COMMAND ${CMAKE_COMMAND} -DIN=${page_in} -DOUT=${page_out} -DNAME=${page_name} -P
			${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
		DEPENDS ${page_in} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake)
	list(APPEND page_outs ${page_out})
endforeach()
add_custom_target(amps_page DEPENDS ${page_outs})
