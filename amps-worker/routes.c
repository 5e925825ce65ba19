#include "amps-worker/routes.h"

#include "amps-worker/api/api_route.h"
#include "amps-worker/lineup/guide.h"
#include "amps-worker/lineup/playlist.h"
#include "amps-worker/live/stream_route.h"
#include "amps-worker/page/page.h"
#include "amps-worker/segments/dash_route.h"
#include "amps-worker/segments/hls_route.h"
#include "amps-worker/segments/segment_route.h"
#include "amps-worker/status/health.h"
#include "amps-worker/status/metrics.h"

#define GET    (1u << HTTP_GET)
#define POST   (1u << HTTP_POST)
#define PUT    (1u << HTTP_PUT)
#define PATCH  (1u << HTTP_PATCH)
#define DELETE (1u << HTTP_DELETE)

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
	{"/epg.xml", GET, ROUTE_MEDIA, guide_xml},
	{"/epg.xml.gz", GET, ROUTE_MEDIA, guide_xml_gz},
	{"/api/epg", GET, 0, guide_json},
	{"/api/epg/match", GET, 0, api_guide_matches},
	{"/healthz", GET, ROUTE_OPEN, health_live},
	{"/readyz", GET, ROUTE_OPEN, health_ready},
	{"/metrics", GET, ROUTE_OPEN, metrics_handle},
	{"/api/streams", GET | POST, ROUTE_LIST, api_streams},
	{"/api/streams/<id>", GET | PUT | PATCH | DELETE, ROUTE_BODY, api_stream},
	{"/api/streams/<id>/programs", GET | PUT, ROUTE_BODY, api_programs},
	{"/api/profiles", GET, 0, api_profiles},
	{"/api/plugins", GET, 0, api_plugins},
	{"/api/status", GET, 0, api_status},
	{"/api/tuners", GET, 0, api_tuners},
	{"/api/tuners/<id>", DELETE, 0, api_tuner},
	{"/api/tuners/<id>/<id>", DELETE, 0, api_tuner},
	{"/api/why/<id>", GET, 0, api_why},
	{"/api/why/<id>/<id>", GET, 0, api_why},
	{"/api/viewers", GET, 0, api_viewers},
	{"/api/viewers/<id>", DELETE, 0, api_viewer},
	{"/api/reload", POST, ROUTE_BODY, api_reload},
	{"/api/import", POST, ROUTE_LIST, api_import},
	{"/api/probe", POST, ROUTE_BODY, api_probe},
	{"/api/links", POST, ROUTE_BODY, api_links},
	{"/api/tokens", GET | POST, ROUTE_BODY, api_tokens},
	{"/api/tokens/<id>", DELETE, 0, api_token},
	{"/api/log", GET, 0, api_log},
	{"/api/openapi.json", GET, 0, api_description},
	{"/api/events", GET, 0, api_events},
	{"/api/*", GET | POST | PUT | PATCH | DELETE, 0, api_unknown},
	{"/", GET, ROUTE_OPEN, page_html},
	{"/ui", GET, ROUTE_OPEN, page_html},
	{"/watch/<id>", GET, ROUTE_OPEN, page_html},
	{"/ui/<id>", GET, ROUTE_OPEN, page_part},
	/* the server as a whole: the parser accepts this target for OPTIONS only */
	{"*", GET, ROUTE_OPEN, NULL},
	{0},
};
