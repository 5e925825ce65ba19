#include "amps-worker/routes.h"

#include "amps-worker/lineup/playlist.h"
#include "amps-worker/live/stream_route.h"
#include "amps-worker/page/page.h"
#include "amps-worker/segments/dash_route.h"
#include "amps-worker/segments/hls_route.h"
#include "amps-worker/segments/segment_route.h"
#include "amps-worker/status/health.h"
#include "amps-worker/status/metrics.h"

#define GET (1u << HTTP_GET)

const struct route worker_routes[] = {
	{"/stream/<id>.ts", GET, ROUTE_MEDIA, stream_route_ts},
	{"/stream/<id>", GET, ROUTE_MEDIA, stream_route_any},
	{"/audio/<id>", GET, ROUTE_MEDIA, stream_route_audio},
	{"/ws/<id>", GET, ROUTE_MEDIA, stream_route_websocket},
	{"/hls/<id>/index.m3u8", GET, ROUTE_MEDIA, hls_route_index},
	{"/hls/<id>/media.m3u8", GET, ROUTE_MEDIA | ROUTE_OPEN, hls_route_media},
	{"/hls/<id>/~<id>/<id>/<id>", GET, ROUTE_MEDIA | ROUTE_OPEN, segment_route_hls},
	{"/hls/<id>.m3u8", GET, ROUTE_MEDIA, hls_route_single},
	{"/hls/*", GET, ROUTE_MEDIA, hls_route_nothing},
	{"/dash/<id>/manifest.mpd", GET, ROUTE_MEDIA | ROUTE_OPEN, dash_route_manifest},
	{"/dash/<id>/~<id>/<id>/<id>", GET, ROUTE_MEDIA | ROUTE_OPEN, segment_route_dash},
	{"/dash/*", GET, ROUTE_MEDIA, hls_route_nothing},
	{"/playlist.m3u", GET, ROUTE_MEDIA, playlist_handle},
	{"/playlist.m3u8", GET, ROUTE_MEDIA, playlist_handle},
	{"/healthz", GET, ROUTE_OPEN, health_live},
	{"/readyz", GET, ROUTE_OPEN, health_ready},
	{"/metrics", GET, ROUTE_OPEN, metrics_handle},
	{"/", GET, ROUTE_OPEN, page_html},
	{"/ui", GET, ROUTE_OPEN, page_html},
	{"/watch/<id>", GET, ROUTE_OPEN, page_watch},
	{"/ui/page.css", GET, ROUTE_OPEN, page_css},
	{"/ui/<id>", GET, ROUTE_OPEN, page_script},
	/* the server as a whole: the parser accepts this target for OPTIONS only */
	{"*", GET, ROUTE_OPEN, NULL},
	{0},
};
