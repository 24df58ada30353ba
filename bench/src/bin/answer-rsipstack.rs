//! The smallest answerer on rsipstack's dialogs: 200 to an INVITE, a dialog until its BYE. `cargo xtask bench-e2e` puts
//! a load on it.
//!
//! usage: answer-rsipstack PORT

use rsipstack::{
    EndpointBuilder,
    dialog::{
        DialogId,
        dialog::{Dialog, DialogState, DialogStateReceiver, DialogStateSender},
        dialog_layer::DialogLayer,
    },
    sip::{Header, Method, Scheme, StatusCode, Uri},
    transaction::TransactionReceiver,
    transport::{TransportLayer, udp::UdpConnection},
};
use std::{error::Error, sync::Arc};
use tokio_util::sync::CancellationToken;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// One thread costs it less than many.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: answer-rsipstack PORT")?.parse()?;
    let token = CancellationToken::new();
    let transports = TransportLayer::new(token.clone());
    let local = ([127, 0, 0, 1], port).into();
    let udp = UdpConnection::create_connection(local, None, Some(token.child_token())).await?;
    transports.add_transport(udp.into());
    let endpoint = EndpointBuilder::new().with_cancel_token(token).with_transport_layer(transports).build();
    let address = endpoint.get_addrs().into_iter().next().ok_or("no address")?.addr;
    let contact = Uri {
        scheme: Some(Scheme::Sip),
        auth: None,
        host_with_port: address,
        params: Vec::new(),
        headers: Vec::new(),
    };
    let incoming = endpoint.incoming_transactions()?;
    let dialogs = Arc::new(DialogLayer::new(endpoint.inner.clone()));
    let (sender, states) = dialogs.new_dialog_state_channel();
    println!("listening");
    tokio::select! {
        () = endpoint.serve() => {}
        () = requests(Arc::clone(&dialogs), incoming, sender, contact) => {}
        () = changes(dialogs, states) => {}
    }
    Ok(())
}

/// Gives each request to its dialog, or makes one.
async fn requests(
    dialogs: Arc<DialogLayer>,
    mut incoming: TransactionReceiver,
    states: DialogStateSender,
    contact: Uri,
) {
    while let Some(mut request) = incoming.recv().await {
        match request.original.method {
            Method::Invite => {
                let contact = Some(contact.clone());
                let dialog = dialogs.get_or_create_server_invite(&request, states.clone(), None, contact);
                let Ok(mut dialog) = dialog else { continue };
                // Waits for the ACK; a call that was given up is no concern of a load.
                tokio::spawn(async move { drop(dialog.handle(&mut request).await) });
            }
            Method::Bye => {
                let Ok(id) = DialogId::try_from(&request) else { continue };
                // Whoever hung up does not wait for more than this answer.
                let _ = request.reply(StatusCode::OK).await;
                dialogs.remove_dialog(&id);
            }
            _ => {}
        }
    }
}

/// Answers what has begun, and takes away what has ended.
async fn changes(dialogs: Arc<DialogLayer>, mut states: DialogStateReceiver) {
    while let Some(state) = states.recv().await {
        match state {
            DialogState::Calling(id) => {
                let Some(Dialog::Invite(dialog)) = dialogs.get_dialog(&id) else { continue };
                let kind = Header::ContentType("application/sdp".into());
                // It may have been cancelled.
                let _ = dialog.accept(Some(vec![kind]), Some(SDP.into()));
            }
            DialogState::Terminated(id, _) => dialogs.remove_dialog(&id),
            _ => {}
        }
    }
}
