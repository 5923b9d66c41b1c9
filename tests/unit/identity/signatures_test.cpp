// Passcodes and signatures of requests, against values that other programs made.
#include <doctest/doctest.h>

#include "domain/aws_signature.h"
#include "domain/oauth1.h"
#include "domain/totp.h"

using namespace pilvi;
using namespace pilvi::identity;

TEST_CASE("base32") {
    CHECK(base32_decode("") == "");
    CHECK(base32_decode("MZXW6YTBOI======") == "foobar");
    CHECK(base32_decode("MZXW6YTBOI") == "foobar");
    for (const char* bad : {"mzxw6", "MZXW6YTBOI1", "A", "MZXW6YTB8I", "MZ XW"}) CHECK_FALSE(base32_decode(bad));
}

TEST_CASE("passcodes: the values of RFC 6238, six digits of them") {
    const std::string secret = "12345678901234567890";
    const std::pair<Micros, const char*> rows[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                                                   {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    for (const auto& [seconds, code] : rows) CHECK(totp_code(secret, seconds * 1'000'000) == code);
    const std::string shared = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    CHECK(totp_matches(shared, "287082", 59'000'000));
    CHECK(totp_matches(shared, "287082", 89'000'000));
    CHECK_FALSE(totp_matches(shared, "287082", 90'000'000));
    CHECK_FALSE(totp_matches(shared, "287082", 29'000'000));
    CHECK_FALSE(totp_matches(shared, "28708", 59'000'000));
    CHECK_FALSE(totp_matches(shared, "", 59'000'000));
    CHECK_FALSE(totp_matches("", totp_code("", 59'000'000), 59'000'000));
    CHECK_FALSE(totp_matches("not base32", "287082", 59'000'000));
}

TEST_CASE("OAuth1: what oauthlib signs is accepted, anything else is not") {
    const std::string head =
        R"(OAuth realm="x", oauth_nonce="7d8f3e4a", oauth_timestamp="1800000000", oauth_version="1.0", oauth_consumer_key="ck", oauth_token="tk", )";
    const std::pair<const char*, const char*> rows[] = {
        {"HMAC-SHA1", "C%2B7uxmFcT4HI2D9t32OlVLhBLDc%3D"},
        {"HMAC-SHA256", "tNd2ruy%2Fn9JNFhEBPOfiH%2FTEjwuYlOCKJsGEGEfPErQ%3D"},
        {"HMAC-SHA512", "XCkCDFMXmheA0938RCUgSFpvv5o2PJrMWYnWpz9Qym4JkHCcgcib3o3ufCEgtkyZv1QEYHohcrinLAO1F7IJhQ%3D%3D"},
        {"PLAINTEXT", "cs%252B%2520%2526%26t%2520s"},
    };
    const SignedRequest request{"POST", "http", "API.example:80", "/v3/auth/tokens", "b=2&a=1%20x&a="};
    for (const auto& row : rows) {
        const auto &method = row.first, &signature = row.second;
        CAPTURE(method);
        const auto header =
            parse_oauth_header(head + "oauth_signature_method=\"" + std::string(method) + "\", oauth_signature=\"" + std::string(signature) + "\"");
        REQUIRE(header);
        CHECK(header->get("oauth_token") == "tk");
        CHECK(oauth_defect(*header, 1'800'000'599'000'000) == "");
        CHECK(oauth_defect(*header, 1'800'000'601'000'000) != "");
        CHECK(oauth_defect(*header, 1'799'999'399'000'000) != "");
        CHECK(oauth_signature_holds(request, *header, "cs+ &", "t s"));
        CHECK_FALSE(oauth_signature_holds(request, *header, "cs+ &", "t"));
        CHECK_FALSE(oauth_signature_holds(request, *header, "", "t s"));
        if (std::string_view(method) == "PLAINTEXT") continue;
        SignedRequest other = request;
        other.query = "b=2&a=1%20x";
        CHECK_FALSE(oauth_signature_holds(other, *header, "cs+ &", "t s"));
        other = request;
        other.scheme = "https";
        CHECK_FALSE(oauth_signature_holds(other, *header, "cs+ &", "t s"));
    }
    for (const char* bad : {"", "OAuth", "Bearer x", "OAuth a", "OAuth =b", "OAuth a=\"1\", a=\"2\"", "OAuth a=\"%zz\"", "OAuth a=\"1\"\"2\""})
        CHECK_FALSE(parse_oauth_header(bad));
    const auto defect = [](std::string_view text) { return oauth_defect(*parse_oauth_header(text), 0); };
    CHECK(defect("OAuth a=\"b\"") == "Missing mandatory OAuth parameters.");
    const std::string all = "OAuth oauth_consumer_key=a, oauth_nonce=b, oauth_signature=c, ";
    CHECK(defect(all + "oauth_timestamp=12, oauth_signature_method=PLAINTEXT") == "Invalid timestamp size");
    CHECK(defect(all + "oauth_timestamp=abcdefghij, oauth_signature_method=PLAINTEXT") == "Timestamp must be an integer.");
    CHECK(defect(all + "oauth_timestamp=1800000000, oauth_signature_method=RSA-SHA1") == "Invalid signature, RSA-SHA1 not allowed.");
    CHECK(defect(all + "oauth_timestamp=1800000000, oauth_version=2.0, oauth_signature_method=PLAINTEXT") == "Invalid OAuth version.");
}

TEST_CASE("EC2 signatures, of every version") {
    const std::string secret = "c2cb1e0b8a1e4f3b";
    const auto request = [](const char* version, const char* host) {
        return json::object{{"params",
                             {{"Action", "DescribeInstances"},
                              {"Timestamp", "2027-01-15T08:00:00Z"},
                              {"AWSAccessKeyId", "abc"},
                              {"b", "ä ~x"},
                              {"Bool", true},
                              {"n", 5},
                              {"SignatureVersion", version}}},
                            {"verb", "GET"},
                            {"host", host},
                            {"path", "/services/Cloud/"}};
    };
    CHECK(ec2_signature(request("0", "h"), secret) == "WZJDvI8ZlIhwPy/K+C03dLw8IBk=");
    CHECK(ec2_signature(request("1", "h"), secret) == "o2j9SXhcgsootTUXdOr2UoTdTBU=");
    CHECK(ec2_signature(request("2", "ec2.example:8773"), secret) == "rEhncvcSvWmuHf94Qg4Ll8eHDrx6gU6SKsW9frPLv04=");
    json::object given = request("2", "ec2.example:8773");
    CHECK_FALSE(ec2_signature_holds(given, secret));
    given["signature"] = "rEhncvcSvWmuHf94Qg4Ll8eHDrx6gU6SKsW9frPLv04=";
    CHECK(ec2_signature_holds(given, secret));
    CHECK_FALSE(ec2_signature_holds(given, "another"));
    given["signature"] = "uqF60C5VyL5rGb1XnngAqe5uWrqhyFrZ2Y5NDp4U6d8=";  // signed without the port
    CHECK(ec2_signature_holds(given, secret));
    given["verb"] = "POST";
    CHECK_FALSE(ec2_signature_holds(given, secret));
    CHECK_FALSE(ec2_signature(request("9", "h"), secret));
    CHECK_FALSE(ec2_signature({}, secret));
}

TEST_CASE("EC2 signatures, version 4 in the header and in the query") {
    const std::string secret = "c2cb1e0b8a1e4f3b";
    json::object v4{
        {"params", {{"Action", "X y"}, {"a", "1"}}},
        {"verb", "GET"},
        {"host", "h"},
        {"path", "/p"},
        {"headers",
         {{"Authorization", "AWS4-HMAC-SHA256 Credential=abc/20270115/RegionOne/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=zz"},
          {"Host", " ec2.example:8773 "},
          {"X-Amz-Date", "20270115T080000Z"}}},
        {"body_hash", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}};
    CHECK(ec2_signature(v4, secret) == "43f8e1f28ff9d1421a75057613a43426e7177037d4cdd782ec7c6acd98b062f9");
    v4["verb"] = "post";
    CHECK(ec2_signature(v4, secret) == "47ccda51cc071180487838489873331b16d2073b74a241269e30d63ba62f01fa");
    CHECK(aws_timestamp(v4) == parse_iso8601("2027-01-15T08:00:00Z"));
    v4["headers"].as_object()["X-Amz-Date"] = "20270116T080000Z";  // not the day of the credential's scope
    CHECK_FALSE(ec2_signature(v4, secret));
    const json::object query{{"params",
                              {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                               {"X-Amz-Credential", "abc/20270115/R/ec2/aws4_request"},
                               {"X-Amz-SignedHeaders", "host"},
                               {"X-Amz-Date", "20270115T080000Z"}}},
                             {"verb", "GET"},
                             {"host", "h"},
                             {"path", "/p"},
                             {"headers", {{"Host", "h"}}},
                             {"body_hash", "x"}};
    CHECK(ec2_signature(query, secret) == "5d828e67e3e4bf14ff5e584b05defac65649d5b9f9473c6824b838000bcef97a");
    CHECK(aws_timestamp(json::object{}) == std::nullopt);
    CHECK(aws_timestamp(json::object{{"params", {{"Timestamp", "yesterday"}}}}) == 0);
}
