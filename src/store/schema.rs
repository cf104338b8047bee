//! The tables, one description for both databases. The folders `migrations/sqlite` and `migrations/postgres` create them.

use diesel::table;

table! {
    api_key (id) {
        id -> BigInt,
        site_id -> Text,
        name -> Text,
        secret -> Binary,
        scopes -> Text,
        created_at -> Timestamp,
        created_by -> BigInt,
        expires_at -> Timestamp,
        last_used_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
    }
}

table! {
    api_key_notice (api_key_id, days) {
        api_key_id -> BigInt,
        days -> BigInt,
    }
}

table! {
    webhook (id) {
        id -> BigInt,
        site_id -> Text,
        url -> Text,
        description -> Text,
        events -> Text,
        state -> Text,
        secret -> Binary,
        old_secret -> Nullable<Binary>,
        old_secret_until -> Nullable<Timestamp>,
        created_at -> Timestamp,
        created_by -> BigInt,
        failing_since -> Nullable<Timestamp>,
    }
}

table! {
    webhook_call (id) {
        id -> BigInt,
        webhook_id -> Nullable<BigInt>,
        event_id -> Text,
        event -> Text,
        payload -> Text,
        state -> Text,
        attempts -> BigInt,
        next_attempt_at -> Timestamp,
        give_up_at -> Timestamp,
        last_status -> Nullable<Integer>,
        last_error -> Nullable<Text>,
        created_at -> Timestamp,
        settled_at -> Nullable<Timestamp>,
    }
}

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
        shown_at -> Nullable<Timestamp>,
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
        content -> BigInt,
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
    destination_version (id) {
        id -> BigInt,
        region -> Text,
        environment -> Text,
        number -> BigInt,
        state -> Text,
        settings -> Text,
        password -> Nullable<Binary>,
        private_key -> Nullable<Binary>,
        based_on -> Nullable<BigInt>,
        authors -> Text,
        drafted_at -> Timestamp,
        changed_at -> Timestamp,
        tested_at -> Nullable<Timestamp>,
        test_problem -> Nullable<Text>,
        activated_by -> Nullable<Text>,
        activated_at -> Nullable<Timestamp>,
        activated_why -> Nullable<Text>,
        ended_by -> Nullable<Text>,
        ended_at -> Nullable<Timestamp>,
        ended_why -> Nullable<Text>,
    }
}

table! {
    last_delivery (region, environment) {
        region -> Text,
        environment -> Text,
        at -> Nullable<Timestamp>,
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

table! {
    organization_profile (organization_id) {
        organization_id -> BigInt,
        access_level -> Text,
        state -> Text,
        provider_id -> Nullable<Text>,
        county -> Nullable<Text>,
        region -> Nullable<Text>,
        zip -> Nullable<Text>,
        name_key -> Text,
        answers -> Text,
        updated_at -> Timestamp,
    }
}

table! {
    site_profile (site_id) {
        site_id -> Text,
        zip -> Nullable<Text>,
        name_key -> Text,
        ehr_vendor -> Nullable<Text>,
        answers -> Text,
        updated_at -> Timestamp,
    }
}

table! {
    account (id) {
        id -> BigInt,
        user_id -> Text,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        name_key -> Text,
        given_key -> Text,
        phone -> Nullable<Text>,
        state -> Text,
        password -> Nullable<Text>,
        totp -> Nullable<Binary>,
        totp_step -> Nullable<BigInt>,
        failures -> BigInt,
        locked_until -> Nullable<Timestamp>,
        created_at -> Timestamp,
        last_sign_in_at -> Nullable<Timestamp>,
    }
}

table! {
    membership (account_id, organization_id, role) {
        account_id -> BigInt,
        organization_id -> BigInt,
        role -> Text,
        state -> Text,
        changed_at -> Timestamp,
    }
}

table! {
    staff_role (account_id, role, region) {
        account_id -> BigInt,
        role -> Text,
        region -> Text,
        granted_at -> Timestamp,
    }
}

table! {
    training (account_id, course) {
        account_id -> BigInt,
        course -> Text,
        completed_on -> Text,
        recorded_by -> BigInt,
        recorded_at -> Timestamp,
    }
}

table! {
    passkey (id) {
        id -> BigInt,
        account_id -> BigInt,
        name -> Text,
        credential_id -> Binary,
        data -> Text,
        created_at -> Timestamp,
        last_used_at -> Nullable<Timestamp>,
    }
}

table! {
    recovery_code (account_id, hash) {
        account_id -> BigInt,
        hash -> Binary,
    }
}

table! {
    session (hash) {
        hash -> Binary,
        account_id -> BigInt,
        created_at -> Timestamp,
        seen_at -> Timestamp,
        second_factor_at -> Nullable<Timestamp>,
        stepped_up_at -> Nullable<Timestamp>,
        ceremony -> Nullable<Text>,
        address -> Text,
        agent -> Text,
    }
}

table! {
    one_time_link (hash) {
        hash -> Binary,
        purpose -> Text,
        subject -> Text,
        detail -> Nullable<Text>,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
    }
}

table! {
    draft (id) {
        id -> BigInt,
        kind -> Text,
        state -> Text,
        hash -> Binary,
        answers -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        submitted_at -> Nullable<Timestamp>,
    }
}

table! {
    request (id) {
        id -> BigInt,
        kind -> Text,
        state -> Text,
        title -> Text,
        region -> Nullable<Text>,
        organization_id -> Nullable<BigInt>,
        site_id -> Nullable<Text>,
        requested_by -> Nullable<BigInt>,
        email -> Text,
        answers -> Text,
        before -> Nullable<Text>,
        flags -> Text,
        submitted_at -> Timestamp,
        decided_at -> Nullable<Timestamp>,
        decided_by -> Nullable<BigInt>,
    }
}

table! {
    request_note (id) {
        id -> BigInt,
        request_id -> BigInt,
        at -> Timestamp,
        kind -> Text,
        author -> Text,
        text -> Text,
    }
}

table! {
    agreement_acceptance (id) {
        id -> BigInt,
        organization_id -> BigInt,
        version -> Text,
        name -> Text,
        title -> Text,
        address -> Text,
        accepted_at -> Timestamp,
    }
}

table! {
    bulk_upload (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        site_rows -> Text,
        result -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

table! {
    clinician (id) {
        id -> BigInt,
        organization_id -> BigInt,
        first_name -> Text,
        last_name -> Text,
        title -> Text,
        license_type -> Text,
        license -> Text,
        npi -> Nullable<Text>,
        state -> Text,
        changed_at -> Timestamp,
    }
}

table! {
    letter (id) {
        id -> BigInt,
        kind -> Text,
        recipient -> Text,
        subject -> Text,
        body -> Nullable<Binary>,
        state -> Text,
        attempts -> BigInt,
        next_attempt_at -> Timestamp,
        give_up_at -> Timestamp,
        last_error -> Nullable<Text>,
        created_at -> Timestamp,
        settled_at -> Nullable<Timestamp>,
    }
}

table! {
    audit_event (id) {
        id -> BigInt,
        at -> Timestamp,
        actor -> Text,
        action -> Text,
        object -> Text,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
        source -> Text,
        hash -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(webhook, webhook_call);

diesel::allow_tables_to_appear_in_same_query!(
    message,
    delivery,
    payload,
    diagnostic,
    registry_revision
);

diesel::allow_tables_to_appear_in_same_query!(
    account,
    agreement_acceptance,
    clinician,
    credential,
    draft,
    membership,
    organization,
    organization_profile,
    passkey,
    request,
    request_note,
    session,
    site,
    site_link,
    site_note,
    site_profile,
    site_progress,
    site_review,
    site_watch,
    staff_role,
    stage_change,
    statement,
    training,
);

table! {
    tally (scope, subject, environment, since) {
        scope -> Text,
        subject -> Text,
        environment -> Text,
        since -> Timestamp,
        counts -> Text,
        messages -> BigInt,
        accepted -> BigInt,
        clean -> BigInt,
        rejected -> BigInt,
    }
}

table! {
    finding_tally (scope, subject, environment, since, rule, location, severity) {
        scope -> Text,
        subject -> Text,
        environment -> Text,
        since -> Timestamp,
        rule -> Text,
        location -> Text,
        severity -> Text,
        number -> BigInt,
    }
}

table! {
    tally_mark (id) {
        id -> BigInt,
        received -> BigInt,
        settled_at -> Nullable<Timestamp>,
        settled -> BigInt,
    }
}

table! {
    site_progress (site_id) {
        site_id -> Text,
        first_test_at -> Nullable<Timestamp>,
        first_test_message -> Nullable<BigInt>,
        first_test_code -> Nullable<Text>,
        last_test_at -> Nullable<Timestamp>,
        tests -> BigInt,
        tests_accepted -> BigInt,
        clean_run -> BigInt,
        scenarios -> BigInt,
        first_production_at -> Nullable<Timestamp>,
        last_production_at -> Nullable<Timestamp>,
    }
}

table! {
    stage_change (id) {
        id -> BigInt,
        site_id -> Text,
        at -> Timestamp,
        event -> Text,
        before -> Nullable<Text>,
        after -> Text,
        actor -> Text,
        reason -> Nullable<Text>,
    }
}

table! {
    site_review (site_id) {
        site_id -> Text,
        opened_at -> Timestamp,
        opened_by -> BigInt,
        marks -> Text,
        proposed_by -> Nullable<BigInt>,
        proposed_at -> Nullable<Timestamp>,
        proposal -> Nullable<Text>,
    }
}

table! {
    site_event (id) {
        id -> BigInt,
        site_id -> Text,
        at -> Timestamp,
        kind -> Text,
        message_id -> Nullable<BigInt>,
        told_at -> Nullable<Timestamp>,
    }
}

table! {
    saved_search (id) {
        id -> BigInt,
        account_id -> BigInt,
        place -> Text,
        name -> Text,
        query -> Text,
        created_at -> Timestamp,
    }
}

table! {
    site_note (id) { id -> BigInt, site_id -> Text, at -> Timestamp, author -> Text, text -> Text, }
}

table! {
    statement (id) {
        id -> BigInt,
        site_id -> Text,
        year -> Integer,
        code -> Binary,
        facts -> Text,
        issued_at -> Timestamp,
        issued_by -> BigInt,
    }
}

table! {
    letter_wish (account_id, site_id) {
        account_id -> BigInt,
        site_id -> Text,
        tests -> Text,
        production -> Text,
        outcomes -> Bool,
        silence -> Bool,
    }
}

table! {
    site_watch (site_id) {
        site_id -> Text,
        silence_days -> Nullable<BigInt>,
        silent_since -> Nullable<Timestamp>,
    }
}

table! {
    digest_mark (organization_id, kind) {
        organization_id -> BigInt,
        kind -> Text,
        until -> Timestamp,
    }
}

table! {
    alert (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        region -> Nullable<Text>,
        words -> Text,
        since -> Timestamp,
        calm_since -> Nullable<Timestamp>,
        told_at -> Nullable<Timestamp>,
        cleared_at -> Nullable<Timestamp>,
        acknowledged_at -> Nullable<Timestamp>,
        acknowledged_by -> Nullable<BigInt>,
        note -> Nullable<Text>,
        muted_until -> Nullable<Timestamp>,
    }
}

table! {
    alert_watch (id) { id -> BigInt, looked_at -> Nullable<Timestamp>, }
}

table! {
    alert_wish (account_id) { account_id -> BigInt, letters -> Bool, }
}

table! {
    system_notice (id) {
        id -> BigInt,
        title -> Text,
        text -> Text,
        level -> Text,
        audience -> Text,
        begins_at -> Timestamp,
        ends_at -> Timestamp,
        written_by -> BigInt,
        written_at -> Timestamp,
        changed_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
    }
}

table! {
    expiry_notice (credential_id, expires_at, days) {
        credential_id -> BigInt,
        expires_at -> Timestamp,
        days -> BigInt,
    }
}
