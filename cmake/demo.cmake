# The demo line-up's film: twenty seconds that loop, with their time burned in.
# One thread encodes it: several make other bytes each time.
find_program(FFMPEG_PROGRAM ffmpeg)
if(FFMPEG_PROGRAM AND CMAKE_BUILD_TYPE MATCHES "Rel")
	execute_process(COMMAND ${FFMPEG_PROGRAM} -hide_banner -h encoder=libx264
		OUTPUT_VARIABLE demo_encoder ERROR_QUIET)
	if(NOT demo_encoder MATCHES "Encoder libx264")
		message(WARNING "this ffmpeg has no libx264: there is no demo film")
	endif()
endif()
if(demo_encoder MATCHES "Encoder libx264")
	set(demo_dir ${CMAKE_BINARY_DIR}/demo)
	set(demo_clock "drawtext=text='%{pts\\:hms}':fontsize=64:fontcolor=white")
	set(demo_picture "testsrc2=size=1280x720:rate=25,${demo_clock}:box=1:boxcolor=black@0.6:x=40:y=40")
	set(demo_sound "sine=frequency=330:beep_factor=4:sample_rate=48000")
	add_custom_command(OUTPUT ${demo_dir}/demo.ts
		COMMAND ${CMAKE_COMMAND} -E make_directory ${demo_dir}
		COMMAND ${FFMPEG_PROGRAM} -nostdin -hide_banner -loglevel error
			-f lavfi -i "${demo_picture}" -f lavfi -i "${demo_sound}"
			-t 20 -c:v libx264 -threads 1 -preset veryfast -b:v 2500k -maxrate 3000k -bufsize 3000k
			-g 50 -keyint_min 50 -sc_threshold 0 -pix_fmt yuv420p
			-c:a aac -b:a 128k -ac 2 -f mpegts -y ${demo_dir}/demo.ts
		COMMENT "Making the demo film" VERBATIM)
	add_custom_target(amps_demo ALL DEPENDS ${demo_dir}/demo.ts)
endif()
