#include "unit.h"

#include "amps-transcoder/encode/sound_frame.h"

Test(sound_frame, adts)
{
	static const uint8_t frame[] = {0xff, 0xf1, 0x4c, 0x80, 0x17, 0x9f, 0xfc, 0x21};
	static const uint8_t two[] = {0xff, 0xf1, 0x50, 0x80, 0x17, 0x9f, 0xfd, 0x21};

	cr_expect_eq(sound_frame_length_90k(frame, sizeof(frame)), 1920);
	cr_expect_eq(sound_frame_length_90k(two, sizeof(two)), 4179);
}

Test(sound_frame, loas)
{
	/* AAC-LC at 48 kHz; then the configuration is that of the frame before */
	static const uint8_t frame[] = {0x56, 0xe0, 0x8b, 0x20, 0x00, 0x11, 0x90, 0x1f};
	static const uint8_t same[] = {0x56, 0xe0, 0x8b, 0xa0, 0x00, 0x11, 0x90, 0x1f};

	cr_expect_eq(sound_frame_length_90k(frame, sizeof(frame)), 1920);
	cr_expect_eq(sound_frame_length_90k(same, sizeof(same)), 0);
}

Test(sound_frame, other_data_has_no_length)
{
	static const uint8_t other[8] = {0x0b, 0x77, 0x56, 0xe0};
	static const uint8_t cut[] = {0xff, 0xf1, 0x4c, 0x80, 0x17, 0x9f};

	cr_expect_eq(sound_frame_length_90k(other, sizeof(other)), 0);
	cr_expect_eq(sound_frame_length_90k(cut, sizeof(cut)), 0);
}
