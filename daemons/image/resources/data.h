#pragma once
// What both versions of the API do with images and their data.
#include <string>

#include "api/call.h"
#include "model.h"

namespace pilvi::image {

// The request's body becomes the data of a queued image of the caller's. Throws what the API answers; the image is queued again then.
void upload_body(api::Call& call, const std::string& id);
// The data, whole or the range that is asked for; 204 where there is none.
api::Reply data_reply(api::Call& call, const Image& image);

// Error(too_large) on too many properties or tags.
void check_limits(const Image& image);
// Error(forbidden) unless the caller may make an image so visible.
void enforce_visibility(const api::Call& call, const std::string& visibility, const json::object& target);
// Checks policy, limits and quota, gives an id where there is none, and commits the image.
void create_image(api::Call& call, Image& image);
// Deletes the image that the caller may see, with its data.
void remove_image(api::Call& call, const std::string& id);

}  // namespace pilvi::image
