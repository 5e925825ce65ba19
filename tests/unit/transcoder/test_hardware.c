/* test_hardware.c - the names of hardware, and what hwaccel makes of a profile's codec */
#include <jansson.h>
#include <string.h>
#include "unit.h"

#include "amps-transcoder/options/hardware_name.h"
#include "amps-transcoder/options/profile.h"

static char needed[16]; /* of the last picture_of(); "" = none */

/* "CODEC [OPTION=VALUE ...]" of the picture. */
static const char *picture_of(const char *spec_text)
{
	static char text[256];
	json_t *spec = json_loads(spec_text, 0, NULL);
	const AVDictionaryEntry *e = NULL;
	char problem[256];
	struct profile p;

	cr_assert_not_null(spec, "%s", spec_text);
	cr_assert_eq(profile_init(&p, spec, NULL, problem, sizeof(problem)), 0, "%s", problem);
	snprintf(text, sizeof(text), "%s", p.video.codec->name);
	snprintf(needed, sizeof(needed), "%s", p.hardware.name ? p.hardware.name : "");
	while ((e = av_dict_get(p.video.options, "", e, AV_DICT_IGNORE_SUFFIX)))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s=%s", e->key,
			 e->value);
	profile_done(&p);
	json_decref(spec);
	return text;
}

Test(hardware, names_are_libavs_or_common_ones)
{
	cr_expect_eq(hardware_type("vaapi"), AV_HWDEVICE_TYPE_VAAPI);
	cr_expect_eq(hardware_type("VAAPI"), AV_HWDEVICE_TYPE_VAAPI);
	cr_expect_eq(hardware_type("nvidia"), hardware_type("cuda"));
	cr_expect_eq(hardware_type("nvenc"), hardware_type("cuda"));
	cr_expect_eq(hardware_type("videotoolbox"), AV_HWDEVICE_TYPE_NONE);
	cr_expect_eq(hardware_type("vapi"), AV_HWDEVICE_TYPE_NONE);
	cr_expect_eq(hardware_type("auto"), AV_HWDEVICE_TYPE_NONE);
}

Test(hardware, filters_of_devices_are_known)
{
	static const char *const device[] = {"hwupload",    "hwdownload", "hwupload_cuda",
					     "scale_vaapi", "yadif_cuda", "vpp_qsv"};
	static const char *const memory[] = {"scale", "hflip", "overlay", "scale2ref", "hwaccel"};

	for (size_t i = 0; i < array_size(device); i++)
		cr_expect(hardware_is_filter(device[i]), "%s", device[i]);
	for (size_t i = 0; i < array_size(memory); i++)
		cr_expect_not(hardware_is_filter(memory[i]), "%s", memory[i]);
}

#define VAAPI "\"hwaccel\":{\"type\":\"vaapi\"},"

Test(hardware, a_codec_that_the_profile_names_stays)
{
	cr_expect_str_eq(picture_of("{" VAAPI "\"options\":[[\"vcodec\",\"libx264\"],"
				    "[\"preset\",\"fast\"]]}"),
			 "libx264 preset=fast");
}

/* The options of one encoder mean something else in another. */
Test(hardware, without_a_codec_the_devices_encoder_gets_what_every_encoder_has)
{
	const AVCodec *encoder = hardware_encoder(AV_HWDEVICE_TYPE_VAAPI);
	static const char spec[] =
		"{" VAAPI "\"options\":[[\"preset\",\"fast\"],[\"b:v\",\"800k\"],"
		"[\"crf\",\"20\"],[\"g\",\"50\"]]}";

	cr_expect_str_eq(picture_of(spec), encoder ? "h264_vaapi b=800k g=50"
						   : "libx264 preset=fast b=800k crf=20 g=50");
}

Test(hardware, in_software_an_encoder_of_a_device_is_replaced)
{
	static const char spec[] = "{\"software\":true,\"options\":[[\"vcodec\",\"h264_vaapi\"],"
				   "[\"rc_mode\",\"CQP\"],[\"b:v\",\"800k\"]]}";

	if (hardware_encoder(AV_HWDEVICE_TYPE_VAAPI))
		cr_expect_str_eq(picture_of(spec), "libx264 b=800k");
	cr_expect_str_eq(picture_of("{\"software\":true,\"options\":[[\"preset\",\"fast\"]]}"),
			 "libx264 preset=fast");
}

Test(hardware, an_encoder_of_a_device_needs_it)
{
	picture_of("{\"options\":[[\"vcodec\",\"libx264\"]]}");
	cr_expect_str_eq(needed, "");
	picture_of("{" VAAPI "\"options\":[]}");
	cr_expect_str_eq(needed, "vaapi");
	if (!hardware_encoder(AV_HWDEVICE_TYPE_VAAPI))
		return;
	picture_of("{\"options\":[[\"vcodec\",\"h264_vaapi\"]]}");
	cr_expect_str_eq(needed, "vaapi");
	picture_of("{\"hwaccel\":{\"type\":\"none\"},\"options\":[[\"vcodec\",\"h264_vaapi\"]]}");
	cr_expect_str_eq(needed, "");
	picture_of("{\"software\":true,\"options\":[[\"vcodec\",\"h264_vaapi\"]]}");
	cr_expect_str_eq(needed, "");
}
