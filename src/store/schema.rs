//! The tables, one description for both databases. The folders `migrations/sqlite` and `migrations/postgres` create them.

use diesel::table;

table! {
    registry_revision (id) { id -> Integer, value -> BigInt, }
}

table! {
    setting (name) { name -> Text, value -> Text, }
}

table! {
    process (id) { id -> BigInt, started_at -> Timestamp, }
}

table! {
    organization (id) { id -> BigInt, name -> Text, created_at -> Timestamp, }
}

table! {
    site (id) {
        id -> Text,
        organization_id -> BigInt,
        name -> Text,
        kind -> Text,
        clinical -> Bool,
        county -> Nullable<Text>,
        region -> Nullable<Text>,
        status -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

table! {
    site_link (facility_id, site_id) {
        facility_id -> Text,
        site_id -> Text,
        status -> Text,
        changed_at -> Timestamp,
    }
}

table! {
    credential (id) {
        id -> BigInt,
        site_id -> Text,
        environment -> Text,
        username -> Text,
        facility_id -> Text,
        state -> Text,
        secret -> Binary,
        old_secret -> Nullable<Binary>,
        old_secret_until -> Nullable<Timestamp>,
        expires_at -> Nullable<Timestamp>,
        client_key_pin -> Nullable<Binary>,
        created_at -> Timestamp,
        last_used_at -> Nullable<Timestamp>,
    }
}

table! {
    message (id) {
        id -> BigInt,
        received_at -> Timestamp,
        sender_id -> Text,
        environment -> Text,
        site_id -> Nullable<Text>,
        region -> Nullable<Text>,
        control_id -> Text,
        message_type -> Text,
        size -> BigInt,
        state -> Text,
        ack_code -> Text,
        diagnostics -> BigInt,
        submission_key -> Nullable<Text>,
        body_digest -> Binary,
        replaces -> Nullable<BigInt>,
    }
}

table! {
    diagnostic (message_id, position) {
        message_id -> BigInt,
        position -> Integer,
        rule -> Text,
        location -> Text,
        code -> Text,
        severity -> Text,
        application -> Text,
        text -> Text,
        effect -> Text,
        start_byte -> Nullable<BigInt>,
        end_byte -> Nullable<BigInt>,
    }
}

table! {
    payload (message_id) {
        message_id -> BigInt,
        received_at -> Timestamp,
        body -> Binary,
        reply -> Nullable<Binary>,
        sent -> Nullable<Binary>,
    }
}

table! {
    delivery (message_id) {
        message_id -> BigInt,
        region -> Text,
        environment -> Text,
        state -> Text,
        attempts -> BigInt,
        next_attempt_at -> Timestamp,
        lease_owner -> Nullable<Text>,
        last_error -> Nullable<Text>,
        settled_at -> Nullable<Timestamp>,
        order_key -> Nullable<BigInt>,
        doubtful -> BigInt,
        doubtful_before -> BigInt,
        releases -> BigInt,
        held_since -> Nullable<Timestamp>,
        last_class -> Nullable<Text>,
    }
}

table! {
    destination (region, environment) {
        region -> Text,
        environment -> Text,
        control -> Text,
        reason -> Nullable<Text>,
        breaker -> Text,
        failures -> BigInt,
        openings -> BigInt,
        probe_at -> Nullable<Timestamp>,
        last_error -> Nullable<Text>,
        changed_at -> Nullable<Timestamp>,
    }
}

table! {
    maintenance (id) {
        id -> BigInt,
        region -> Text,
        environment -> Text,
        begins_at -> Timestamp,
        ends_at -> Timestamp,
        reason -> Text,
    }
}

table! {
    operator_action (id) {
        id -> BigInt,
        at -> Timestamp,
        actor -> Text,
        action -> Text,
        message_id -> Nullable<BigInt>,
        region -> Nullable<Text>,
        environment -> Nullable<Text>,
        reason -> Text,
    }
}

table! {
    loopback_behaviour (region, environment) {
        region -> Text,
        environment -> Text,
        behaviour -> Text,
        changed_at -> Timestamp,
    }
}

table! {
    loopback_message (id) {
        id -> BigInt,
        region -> Text,
        environment -> Text,
        received_at -> Timestamp,
        control_id -> Text,
        sending_facility -> Text,
        site_id -> Text,
        size -> BigInt,
        body -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    message,
    delivery,
    payload,
    diagnostic,
    registry_revision
);
