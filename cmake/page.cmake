# Embeds the pages of the workers as C strings: generated/page_watch_js.h defines WATCH_JS, and so on
set(page_outs)
foreach(file page.html page.css page.js watch.html watch.js player.js live.js mp4.js lineup.js)
	string(REPLACE "." "_" page_name ${file})
	set(page_in ${CMAKE_SOURCE_DIR}/amps-worker/page/${file})
	set(page_out ${CMAKE_BINARY_DIR}/generated/page_${page_name}.h)
	string(TOUPPER ${page_name} page_name)
	add_custom_command(OUTPUT ${page_out}
		COMMAND ${CMAKE_COMMAND} -DIN=${page_in} -DOUT=${page_out} -DNAME=${page_name} -P
			${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
		DEPENDS ${page_in} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake)
	list(APPEND page_outs ${page_out})
endforeach()
add_custom_target(amps_page DEPENDS ${page_outs})
